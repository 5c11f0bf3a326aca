;; Whether points are in a polygon (pnpoly).
(define (size default)
  (let ((args (cdr (command-line)))) (if (pair? args) (string->number (car args)) default)))
(define (check expected actual)
  (if (equal? expected actual)
      (begin (display "ok ") (write actual) (newline))
      (error "wrong result; expected and actual:" expected actual)))
(define xs '#(0. 1. 1. 0. 0. 1. -.5 -1. -1. -2. -2.5 -2. -1.5 -.5 1. 1. 0. -.5 -1. -.5))
(define ys '#(0. 0. 1. 1. 2. 3. 2. 3. 0. -.5 -1. -1.5 -2. -2. -1.5 -1. -.5 -1. -1. -.5))
(define (inside? x y)
  (let ((n (vector-length xs)))
    (let loop ((i 0) (j (- n 1)) (c #f))
      (if (= i n) c
          (let ((yi (vector-ref ys i)) (yj (vector-ref ys j)))
            (loop (+ i 1) i
                  (if (and (or (and (<= yi y) (< y yj)) (and (<= yj y) (< y yi)))
                           (< x (+ (vector-ref xs i) (/ (* (- (vector-ref xs j) (vector-ref xs i)) (- y yi)) (- yj yi)))))
                      (not c) c)))))))
(define (count n)
  (let loop ((i 0) (hits 0))
    (if (= i n) hits
        (loop (+ i 1) (if (inside? (- (* 0.01 (modulo (* i 37) 500)) 3.) (- (* 0.01 (modulo (* i 91) 600)) 2.5)) (+ hits 1) hits)))))
(check 1 (let ((n (size 10000))) (let ((hits (count n))) (if (and (> (* 100 hits) (* 15 n)) (< (* 100 hits) (* 35 n))) 1 hits))))
