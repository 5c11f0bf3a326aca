#include "timing.h"

static long long work(long long n) {
    volatile long long modulus = 7; /* a variable of the guest program, not a constant */
    long long m = modulus, s = 0;
    for (long long i = 0; i < n; i++)
        s += i % m;
    return s;
}
