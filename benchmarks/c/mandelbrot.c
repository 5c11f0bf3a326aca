#include "timing.h"

static long long escape(double cr, double ci, long long limit) {
    double zr = 0.0, zi = 0.0;
    long long k = 0;
    do {
        double rr = zr * zr, ii = zi * zi;
        if (rr + ii > 4.0)
            break;
        zi = 2.0 * zr * zi + ci;
        zr = rr - ii + cr;
        k++;
    } while (k < limit);
    return k;
}

static long long work(long long n) {
    long long total = 0;
    for (long long y = 0; y < n; y++)
        for (long long x = 0; x < n; x++)
            total += escape(x * 3.0 / n - 2.0, (y + 0.5) / n * 2.0 - 1.0, 50);
    return total;
}
