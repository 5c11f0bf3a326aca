#include "timing.h"

static double *fill(long long n, long long seed) {
    double *m = malloc(n * n * sizeof *m);
    for (long long i = 0; i < n * n; i++) {
        seed = (seed * 37 + 1) % 101;
        m[i] = seed;
    }
    return m;
}

static long long work(long long n) {
    double *a = fill(n, 1), *b = fill(n, 2), *out = malloc(n * n * sizeof *out), total = 0.0;
    for (long long i = 0; i < n; i++)
        for (long long j = 0; j < n; j++) {
            double s = 0.0;
            for (long long k = 0; k < n; k++)
                s += a[i * n + k] * b[k * n + j];
            out[i * n + j] = s;
        }
    for (long long i = 0; i < n * n; i++)
        total += out[i];
    free(a);
    free(b);
    free(out);
    return (long long)total;
}
