#include "timing.h"

static long long __attribute__((noinline)) fib(long long n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static long long work(long long n) {
    return fib(n);
}
