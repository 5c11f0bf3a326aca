;; Takeuchi's function in continuation-passing style: closures.
(define (size default)
  (let ((args (cdr (command-line)))) (if (pair? args) (string->number (car args)) default)))
(define (check expected actual)
  (if (equal? expected actual)
      (begin (display "ok ") (write actual) (newline))
      (error "wrong result; expected and actual:" expected actual)))
(define (cpstak x y z)
  (define (tak x y z k)
    (if (not (< y x)) (k z)
        (tak (- x 1) y z
             (lambda (v1) (tak (- y 1) z x
               (lambda (v2) (tak (- z 1) x y (lambda (v3) (tak v1 v2 v3 k)))))))))
  (tak x y z (lambda (a) a)))
(check 7 (let loop ((i 1)) (let ((r (cpstak 18 12 6))) (if (< i (size 3)) (loop (+ i 1)) r))))
