;; Included by the other files: (test expected expression) tells about what is not equal?, (done name) counts.
(define %passed 0)
(define (%check expected actual expression)
  (if (or (equal? expected actual)
          (and (number? expected) (number? actual) (inexact? expected) (inexact? actual)
               (or (and (not (= expected expected)) (not (= actual actual)))
                   (< (abs (- expected actual)) 1e-9))))
      (set! %passed (+ %passed 1))
      (begin (display "WRONG: ") (write expression)
             (display " gives ") (write actual)
             (display ", expected ") (write expected) (newline))))
(define-syntax test
  (syntax-rules () ((_ expected expression) (%check expected expression 'expression))))
(define-syntax test-values
  (syntax-rules ()
    ((_ expected expression) (%check expected (call-with-values (lambda () expression) list) 'expression))))
(define-syntax test-error
  (syntax-rules ()
    ((_ expression)
     (%check 'error (call/cc (lambda (k) (with-exception-handler (lambda (e) (k 'error)) (lambda () expression))))
             'expression))))
(define-syntax test-written
  (syntax-rules ()
    ((_ expected expression)
     (%check expected (let ((port (open-output-string))) (write expression port) (get-output-string port)) 'expression))))
(define (done name) (display name) (display ": ") (display %passed) (newline))
