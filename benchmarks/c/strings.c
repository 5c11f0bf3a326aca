#include "timing.h"
#include <string.h>

static long long work(long long n) {
    static const char alphabet[] = "the quick brown fox jumps over the lazy dog";
    size_t size = sizeof alphabet - 1;
    char *text = malloc(n + 1);
    long long vowels = 0, sum = 0;
    for (long long i = 0; i < n; i++)
        text[i] = alphabet[i % size];
    text[n] = 0;
    for (long long i = 0; i < n; i++) {
        vowels += strchr("aeiou", text[i]) != NULL;
        sum = (sum * 31 + text[i]) % 65521;
    }
    free(text);
    return vowels * 100000 + sum;
}
