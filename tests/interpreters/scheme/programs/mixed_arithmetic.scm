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
