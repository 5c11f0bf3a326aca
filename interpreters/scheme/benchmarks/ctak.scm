;; Takeuchi's function with a captured continuation for each call.
(define (size default)
  (let ((args (cdr (command-line)))) (if (pair? args) (string->number (car args)) default)))
(define (check expected actual)
  (if (equal? expected actual)
      (begin (display "ok ") (write actual) (newline))
      (error "wrong result; expected and actual:" expected actual)))
(define (ctak x y z) (call-with-current-continuation (lambda (k) (ctak-aux k x y z))))
(define (ctak-aux k x y z)
  (if (not (< y x)) (k z)
      (call-with-current-continuation
       (lambda (k)
         (ctak-aux k
          (call-with-current-continuation (lambda (k) (ctak-aux k (- x 1) y z)))
          (call-with-current-continuation (lambda (k) (ctak-aux k (- y 1) z x)))
          (call-with-current-continuation (lambda (k) (ctak-aux k (- z 1) x y))))))))
(check 7 (let loop ((i 1)) (let ((r (ctak 12 8 4))) (if (< i (size 20)) (loop (+ i 1)) (+ r 2)))))
