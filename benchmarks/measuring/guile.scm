;; guile guile.scm PROGRAM WARM_SECONDS SECONDS [ARGUMENT...]: compiled, the program's definitions in one procedure.
(use-modules (system base compile) (ice-9 match))
(load "loop.scm")
(define (forms file)
  (call-with-input-file file
    (lambda (port) (let next ((form (read port))) (if (eof-object? form) '() (cons form (next (read port))))))))
(define (seconds) (exact->inexact (/ (get-internal-run-time) internal-time-units-per-second)))
(match (command-line)
  ((_ program warm measured . arguments)
   (let* ((user (make-fresh-user-module))
          (main (begin
                  (for-each (lambda (name) (module-use! user (resolve-interface `(scheme ,name))))
                            '(base char cxr inexact read write))
                  (compile `(lambda (command-line) ,@(forms program)) #:to 'value #:env user)))
          (run (lambda () (main (lambda () (cons program arguments))))))
     (run-measured run seconds (lambda (run) (with-output-to-string run))
                   (exact->inexact (string->number warm)) (exact->inexact (string->number measured))))))
