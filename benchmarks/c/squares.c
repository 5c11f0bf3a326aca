#include "timing.h"

static long long work(long long n) {
    long long s = 0;
    for (long long i = 1; i <= n; i++)
        s += i * i % 7;
    return s;
}
