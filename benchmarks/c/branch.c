#include "timing.h"

static long long work(long long n) {
    unsigned long long seed = 12345;
    volatile long long three = 3;
    long long left = 0, right = 0;
    for (long long i = 0; i < n; i++) {
        seed = (seed * 1103515245 + 12345) % 2147483648u;
        if (seed < 1073741824)
            left++;
        else
            right += three;
    }
    return left + right;
}
