;; Operators with operands of all kinds, two and more at once, in loops.
(define numbers
  (list 0 1 -3 6 (expt 2 62) (- (expt 2 63)) (expt 10 400) 1/3 0. -0. 1.5 -2.5 1e308 (/ 1. 0.) (/ 0. 0.)))
(define-syntax tried
  (syntax-rules () ((_ expression) (guard (e (#t 'error)) expression))))
(define (two a b) (tried (list (+ a b) (- a b) (* a b) (< a b) (= a b) (>= a b))))
(define (quotients a b) (list (tried (/ a b)) (tried (/ a b 2)) (tried (/ a 2. b)) (tried (/ 12 a b))))
(define (three a b) (tried (list (+ a b 1) (+ 1 a b) (- a b 1.5) (- 2 a b) (* a b 2) (* .5 a b) (+ a b a b) (* a 2 b 0.) (- a b a b a))))
(define (each-pair f) (map (lambda (a) (map (lambda (b) (f a b)) numbers)) numbers))
(define (repeat n f)
  (let loop ((i 1)) (let ((all (each-pair f))) (if (< i n) (loop (+ i 1)) all))))
(define (short x)
  (cond ((pair? x) (map short x)) ((and (number? x) (exact? x) (> (abs x) (expt 10 50))) (if (> x 0) 'large 'small)) (else x)))
(for-each
  (lambda (f)
    (for-each (lambda (row) (for-each (lambda (results) (write (short results)) (newline)) row)) (repeat 4 f)))
  (list two quotients three))
(define (mean items) (let loop ((l items) (sum 0) (n 0)) (if (null? l) (/ sum n) (loop (cdr l) (+ sum (* 2 (car l)) (/ (car l) 1)) (+ n 1)))))
(write (map mean '((1 2 3) (1 2. 3) (1/2 2 3) (1. 2. 3.) (4 4 4)))) (newline)
(write (map (lambda (x) (exact->inexact x)) (list 1 -7 (expt 2 62) (expt 3 50) 1/3 2.5))) (newline)
(write (tried (+ 1 2 'a))) (write (tried (* 1 'a 2))) (write (tried (- 'a 1 2))) (newline)
(define functions
  (list sqrt floor ceiling truncate round exact inexact exp sin cos tan asin acos atan abs (lambda (x) (expt x 2)) (lambda (x) (expt x 3))
        (lambda (x) (if (< (abs x) 2000) (expt 2 x) (expt 2. x))) (lambda (x) (expt x -2)) (lambda (x) (expt 1.5 x)) (lambda (x) (expt x 0)) (lambda (x) (expt x 1/2))
        (lambda (x) (sqrt (* x x))) (lambda (x) (exact (floor x)))))
(define values-of-all-kinds
  (append (list .5 -.5 2.5 -1.5 3.5 .49999999999999994 -.2 .7 -1. 1. 1e15 -1e15 4503599627370497.5 1e16 1e300 -1e300 (/ -1. 0.) 2+3i 9 1/4 'a)
          numbers))
(define (briefly x) (cond ((and (number? x) (not (real? x))) 'complex) ((and (real? x) (inexact? x) (not (= x (round x)))) (/ (round (* x 1e8)) 1e8)) (else (short x))))
(define (apply-all f) (let loop ((i 1)) (let ((all (map (lambda (x) (tried (f x))) values-of-all-kinds))) (if (< i 8) (loop (+ i 1)) all))))
(for-each (lambda (f) (write (map briefly (apply-all f))) (newline)) functions)
