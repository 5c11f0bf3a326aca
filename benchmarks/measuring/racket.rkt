#lang racket/base
;; racket racket.rkt PROGRAM WARM_SECONDS SECONDS [ARGUMENT...]: a module in Racket's r5rs, with what R7RS has more.
(require racket/include racket/port)
(include "loop.scm")
(define (forms file)
  (call-with-input-file file
    (lambda (port) (let next ((form (read port))) (if (eof-object? form) '() (cons form (next (read port))))))))
(define (module-of program)
  `(module program r5rs
     (#%provide main)
     (#%require srfi/9
                (only racket/base error call/cc write-string open-input-string open-output-string get-output-string)
                (rename racket/base inexact exact->inexact)
                (rename racket/base body let))
     (define (list-head items count)
       (if (= count 0) '() (cons (car items) (list-head (cdr items) (- count 1)))))
     (define (vector->list items . start)
       (let next ((index (- (vector-length items) 1)) (result '()))
         (if (< index (if (pair? start) (car start) 0))
             result
             (next (- index 1) (cons (vector-ref items index) result)))))
     (define main (lambda (command-line) (body () ,@(forms program))))))
(define arguments (vector->list (current-command-line-arguments)))
(define namespace (make-base-namespace))
(define main
  (parameterize ((current-namespace namespace))
    (eval (module-of (car arguments)))
    (dynamic-require ''program 'main)))
(define to-mutable (dynamic-require 'compatibility/mlist 'list->mlist))
(run-measured (lambda () (main (lambda () (to-mutable (cons (car arguments) (cdddr arguments))))))
              (lambda () (/ (current-process-milliseconds) 1000.0))
              (lambda (run) (with-output-to-string run))
              (string->number (cadr arguments)) (string->number (caddr arguments)))
