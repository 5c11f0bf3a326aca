#include "timing.h"

static long long work(long long n) {
    long long *flags = malloc(n * sizeof *flags), count = 0;
    for (long long i = 0; i < n; i++)
        flags[i] = 1;
    for (long long i = 2; i < n; i++)
        if (flags[i]) {
            count++;
            for (long long j = i + i; j < n; j += i)
                flags[j] = 0;
        }
    free(flags);
    return count;
}
