/* A PKCS#11 module that hands every call to another one, and fails, hangs or confuses handles where it is told to.
 *
 * All arguments of PKCS#11 are numbers or pointers, so one wrapper fits every function. Orders come from the test, in
 * the same process, through the functions called stub_*.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

typedef unsigned long ul;
typedef ul (*fn)(ul, ul, ul, ul, ul, ul, ul, ul);

#define FUNCTIONS 68
enum { INITIALIZE = 0, DESTROY = 22, GET_ATTRIBUTES = 24, FIND = 27, ENCRYPT_INIT = 29, DECRYPT_INIT = 33, SIGN_INIT = 42,
       SIGN = 43 };
#define HANG ULONG_MAX
#define SPOIL (ULONG_MAX - 1)

struct list { unsigned char version[2]; fn functions[FUNCTIONS]; };
struct arguments { void *create, *destroy, *lock, *unlock; ul flags; void *reserved; };
struct order { ul value; long skip, count; };

static struct list *target, mine;
static char reserved[4096];
static struct order orders[FUNCTIONS];
static ul calls[FUNCTIONS], swapped[2], shown;
static int twice;
static int released;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t release = PTHREAD_COND_INITIALIZER;

static ul renamed(ul handle) {
    if (handle && handle == swapped[0]) return swapped[1];
    if (handle && handle == swapped[1]) return swapped[0];
    return handle;
}

/* 0: go on; else what to answer */
static ul ordered(int index) {
    ul value = 0;
    pthread_mutex_lock(&lock);
    calls[index]++;
    struct order *order = &orders[index];
    if (order->count && order->skip-- <= 0) {
        value = order->value;
        if (order->count > 0) order->count--;
        if (value == HANG) {
            while (!released) pthread_cond_wait(&release, &lock);
            value = 0;
        }
    }
    pthread_mutex_unlock(&lock);
    return value;
}

static ul initialize(ul given) {
    struct arguments all = {0};
    if (!reserved[0]) return target->functions[INITIALIZE](given, 0, 0, 0, 0, 0, 0, 0);
    if (given) all = *(struct arguments *)given;
    all.reserved = reserved;
    return target->functions[INITIALIZE]((ul)&all, 0, 0, 0, 0, 0, 0, 0);
}

static ul call(int index, ul a, ul b, ul c, ul d, ul e, ul f, ul g, ul h) {
    ul value = ordered(index);
    if (value == SPOIL) {
        value = target->functions[index](a, b, c, d, e, f, g, h);
        if (index == SIGN && !value && d) *(unsigned char *)d ^= 1;
        return value;
    }
    if (value) return value;
    if (index == INITIALIZE) return initialize(a);
    if (index == DESTROY || index == GET_ATTRIBUTES) b = renamed(b);
    if (index == SIGN_INIT || index == ENCRYPT_INIT || index == DECRYPT_INIT) c = renamed(c);
    if (index == FIND && twice && shown) { /* the one that was found last, again */
        *(ul *)b = shown, *(ul *)d = 1, shown = 0;
        return 0;
    }
    value = target->functions[index](a, b, c, d, e, f, g, h);
    if (index == FIND && twice && !value && *(ul *)d == 1) shown = *(ul *)b;
    if (index == FIND && !value)
        for (ul i = 0; i < *(ul *)d; i++) ((ul *)b)[i] = renamed(((ul *)b)[i]);
    return value;
}

#define W(i) static ul w##i(ul a, ul b, ul c, ul d, ul e, ul f, ul g, ul h) { return call(i, a, b, c, d, e, f, g, h); }
#define TEN(X, t) X(t##0) X(t##1) X(t##2) X(t##3) X(t##4) X(t##5) X(t##6) X(t##7) X(t##8) X(t##9)
#define EIGHT(X, t) X(t##0) X(t##1) X(t##2) X(t##3) X(t##4) X(t##5) X(t##6) X(t##7)
#define ALL(X) TEN(X, ) TEN(X, 1) TEN(X, 2) TEN(X, 3) TEN(X, 4) TEN(X, 5) EIGHT(X, 6)
ALL(W)
#define N(i) w##i,
static const fn wrappers[FUNCTIONS] = { ALL(N) };

ul C_GetFunctionList(struct list **found) {
    if (!target) return 5;
    memcpy(mine.version, target->version, 2);
    memcpy(mine.functions, wrappers, sizeof wrappers);
    mine.functions[3] = (fn)(void (*)(void))C_GetFunctionList;
    *found = &mine;
    return 0;
}

int stub_target(const char *path, const char *parameters) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    ul (*get)(struct list **) = library ? (ul (*)(struct list **))dlsym(library, "C_GetFunctionList") : NULL;
    strncpy(reserved, parameters, sizeof reserved - 1);
    return get && get(&target) == 0;
}

void stub_order(int index, ul value, long skip, long count) {
    pthread_mutex_lock(&lock);
    released = 0;
    orders[index] = (struct order){value, skip, count};
    pthread_mutex_unlock(&lock);
}

void stub_release(void) {
    pthread_mutex_lock(&lock);
    released = 1;
    memset(orders, 0, sizeof orders);
    pthread_cond_broadcast(&release);
    pthread_mutex_unlock(&lock);
}

void stub_swap(ul one, ul other) { swapped[0] = one; swapped[1] = other; }

void stub_twice(int on) { twice = on, shown = 0; }

ul stub_calls(int index) { return calls[index]; }
