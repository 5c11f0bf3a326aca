"""What the built-in libraries export."""

from __future__ import annotations

_BASE = """
* + - ... / < <= = => > >= _ abs and append apply assoc assq assv begin binary-port? boolean=? boolean? bytevector
bytevector-append bytevector-copy bytevector-copy! bytevector-length bytevector-u8-ref bytevector-u8-set! bytevector?
caar cadr call-with-current-continuation call-with-port call-with-values call/cc car case cdar cddr cdr ceiling
char->integer char-ready? char<=? char<? char=? char>=? char>? char? close-input-port close-output-port close-port
complex? cond cond-expand cons current-error-port current-input-port current-output-port define define-record-type
define-syntax define-values denominator do dynamic-wind else eof-object eof-object? eq? equal? eqv? error
error-object-irritants error-object-message error-object? even? exact exact-integer-sqrt exact-integer? exact? expt
features file-error? floor floor-quotient floor-remainder floor/ flush-output-port for-each gcd get-output-bytevector
get-output-string guard if include include-ci inexact inexact? input-port-open? input-port? integer->char integer? lambda
lcm length let let* let*-values let-syntax let-values letrec letrec* letrec-syntax list list->string list->vector
list-copy list-ref list-set! list-tail list? make-bytevector make-list make-parameter make-string make-vector map max
member memq memv min modulo negative? newline not null? number->string number? numerator odd? open-input-bytevector
open-input-string open-output-bytevector open-output-string or output-port-open? output-port? pair? parameterize
peek-char peek-u8 port? positive? procedure? quasiquote quote quotient raise raise-continuable rational? rationalize
read-bytevector read-bytevector! read-char read-error? read-line read-string read-u8 real? remainder reverse round set!
set-car! set-cdr! square string string->list string->number string->symbol string->utf8 string->vector string-append
string-copy string-copy! string-fill! string-for-each string-length string-map string-ref string-set! string<=? string<?
string=? string>=? string>? string? substring symbol->string symbol=? symbol? syntax-error syntax-rules textual-port?
truncate truncate-quotient truncate-remainder truncate/ u8-ready? unless unquote unquote-splicing utf8->string values
vector vector->list vector->string vector-append vector-copy vector-copy! vector-fill! vector-for-each vector-length
vector-map vector-ref vector-set! vector? when with-exception-handler write-bytevector write-char write-string write-u8
zero?
"""
_CXR = "caaar caadr cadar caddr cdaar cdadr cddar cdddr caaaar caaadr caadar caaddr cadaar cadadr caddar cadddr cdaaar "
_CXR += "cdaadr cdadar cdaddr cddaar cddadr cdddar cddddr"
_CHAR = """
char-alphabetic? char-ci<=? char-ci<? char-ci=? char-ci>=? char-ci>? char-downcase char-foldcase char-lower-case?
char-numeric? char-upcase char-upper-case? char-whitespace? digit-value string-ci<=? string-ci<? string-ci=?
string-ci>=? string-ci>? string-downcase string-foldcase string-upcase
"""
_FILE = """
call-with-input-file call-with-output-file delete-file file-exists? open-binary-input-file open-binary-output-file
open-input-file open-output-file with-input-from-file with-output-to-file
"""
_INEXACT = "acos asin atan cos exp finite? infinite? log nan? sin sqrt tan"
_COMPLEX = "angle imag-part magnitude make-polar make-rectangular real-part"
_PROCESS = "command-line emergency-exit exit get-environment-variable get-environment-variables"
_LAZY = "delay delay-force force make-promise promise?"
_WRITE = "display write write-shared write-simple"
_R5RS = f"""
* + - / < <= = > >= abs and angle append apply assoc assq assv asin acos atan begin boolean? {_CXR} caar cadr cdar cddr
call-with-current-continuation call-with-input-file call-with-output-file call-with-values car case cdr ceiling
char->integer char-alphabetic? char-ci<=? char-ci<? char-ci=? char-ci>=? char-ci>? char-downcase char-lower-case?
char-numeric? char-ready? char-upcase char-upper-case? char-whitespace? char<=? char<? char=? char>=? char>? char?
close-input-port close-output-port complex? cond cons cos current-input-port current-output-port define define-syntax
delay denominator display do dynamic-wind else => ... _ eof-object? eq? equal? eqv? eval even? exact->inexact exact? exp expt
floor for-each force gcd if imag-part inexact->exact inexact? input-port? integer->char integer? interaction-environment
lambda lcm length let let* let-syntax letrec letrec-syntax list list->string list->vector list-ref list-tail list? load
log magnitude make-polar make-rectangular make-string make-vector map max member memq memv min modulo negative? newline
not null-environment null? number->string number? numerator odd? open-input-file open-output-file or output-port? pair?
peek-char positive? procedure? quasiquote quote quotient rational? rationalize read read-char real-part real? remainder
reverse round scheme-report-environment set! set-car! set-cdr! sin sqrt string string->list string->number
string->symbol string-append string-ci<=? string-ci<? string-ci=? string-ci>=? string-ci>? string-copy string-fill!
string-length string-ref string-set! string<=? string<? string=? string>=? string>? string? substring symbol->string
symbol? syntax-rules tan truncate unquote unquote-splicing values vector vector->list vector-fill! vector-length
vector-ref vector-set! vector? with-input-from-file with-output-to-file write write-char zero?
"""
_SRFI_1 = f"""
cons list xcons cons* make-list list-tabulate list-copy circular-list iota proper-list? list? dotted-list?
circular-list? pair? null? null-list? not-pair? list= car cdr caar cadr cdar cddr {_CXR} list-ref first second third
fourth fifth sixth seventh eighth ninth tenth car+cdr take drop take-right drop-right take! drop-right! split-at
split-at! last last-pair length length+ append concatenate concatenate! reverse append! reverse! append-reverse
append-reverse! zip unzip1 unzip2 unzip3 unzip4 unzip5 count map for-each fold unfold pair-fold reduce fold-right
unfold-right pair-fold-right reduce-right append-map append-map! map! pair-for-each filter-map map-in-order filter
partition remove filter! partition! remove! find find-tail any every list-index take-while drop-while take-while! span
break span! break! memq memv member delete delete-duplicates delete! delete-duplicates! assq assv assoc alist-cons
alist-copy alist-delete alist-delete! lset<= lset= lset-adjoin lset-union lset-intersection lset-difference lset-xor
lset-diff+intersection lset-union! lset-intersection! lset-difference! lset-xor! lset-diff+intersection! set-car!
set-cdr!
"""
_SRFI_69 = """
make-hash-table hash-table? alist->hash-table hash-table-ref hash-table-ref/default hash-table-set! hash-table-delete!
hash-table-exists? hash-table-update! hash-table-update!/default hash-table-size hash-table-keys hash-table-values
hash-table-walk hash-table-fold hash-table->alist hash-table-copy hash-table-merge! hash string-hash string-ci-hash
hash-by-identity hash-table-equivalence-function hash-table-hash-function
"""
_TEXTS: dict[tuple[object, ...], str] = {
    ("scheme", "base"): _BASE,
    ("scheme", "case-lambda"): "case-lambda",
    ("scheme", "char"): _CHAR,
    ("scheme", "complex"): _COMPLEX,
    ("scheme", "cxr"): _CXR,
    ("scheme", "eval"): "environment eval",
    ("scheme", "file"): _FILE,
    ("scheme", "inexact"): _INEXACT,
    ("scheme", "lazy"): _LAZY,
    ("scheme", "load"): "load",
    ("scheme", "process-context"): _PROCESS,
    ("scheme", "read"): "read",
    ("scheme", "repl"): "interaction-environment",
    ("scheme", "time"): "current-jiffy current-second jiffies-per-second",
    ("scheme", "write"): _WRITE,
    ("scheme", "r5rs"): _R5RS,
    ("scheme", "list"): _SRFI_1,
    ("scheme", "sort"): "list-sort vector-sort vector-sort! sort sort!",
    ("scheme", "hash-table"): _SRFI_69,
    ("srfi", 1): _SRFI_1,
    ("srfi", 6): "open-input-string open-output-string get-output-string",
    ("srfi", 8): "receive",
    ("srfi", 9): "define-record-type",
    ("srfi", 23): "error",
    ("srfi", 28): "format",
    ("srfi", 39): "make-parameter parameterize",
    ("srfi", 69): _SRFI_69,
    ("srfi", 95): "sort sort! merge merge! sorted?",
    ("srfi", 132): "list-sort vector-sort vector-sort!",
}
EXPORTS: dict[tuple[object, ...], list[str]] = {name: text.split() for name, text in _TEXTS.items()}
