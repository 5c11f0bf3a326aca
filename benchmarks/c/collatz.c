#include "timing.h"

static long long work(long long n) {
    long long best = 0, where = 0;
    for (long long start = 1; start < n; start++) {
        long long x = start, length = 1;
        while (x > 1) {
            length++;
            x = x % 2 ? 3 * x + 1 : x / 2;
        }
        if (length > best) {
            best = length;
            where = start;
        }
    }
    return where;
}
