/* Runs `work(n)` for about half a second and prints the median time of a run as JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long long work(long long n);

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    static double times[100000];
    volatile long long n = argc > 1 ? atoll(argv[1]) : 1000; /* volatile: no run may be hoisted or folded */
    long long result = 0;
    int count = 0;
    double end = now() + 0.5;
    while (count < 3 || (count < 100000 && now() < end)) {
        double started = now();
        result = work(n);
        times[count++] = now() - started;
    }
    qsort(times, count, sizeof(double), by_size);
    printf("{\"seconds\": %.9f, \"result\": %lld}\n", times[count / 2], result);
    return 0;
}
