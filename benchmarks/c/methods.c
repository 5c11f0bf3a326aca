#include "timing.h"

struct counter {
    long long ticks, total, step;
};

static long long __attribute__((noinline)) tick(struct counter *self) {
    self->ticks++;
    self->total += self->step;
    return self->total;
}

static long long work(long long n) {
    struct counter *o = malloc(sizeof *o);
    long long last = 0;
    *o = (struct counter){0, 0, 3};
    for (long long i = 0; i < n; i++)
        last = tick(o);
    free(o);
    return last;
}
