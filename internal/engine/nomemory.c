/* SPDX-License-Identifier: MIT */

//go:build ignore

/* A library to preload: it has one allocation of the project's own C fail. The libraries
 * get their memory, because some of them end the process without it. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The file named by the environment variable NOMEMORY, which the test maps too. */
typedef struct {
	int64_t thread;  /* whose allocations count; 0 is none */
	int64_t fail;    /* the number of the allocation that fails, from 1; 0 is none */
	int64_t count;   /* of allocations so far */
	int64_t learn;   /* if not 0, the callers of malloc are left out from now on */
} Control;

static Control *control;
static uintptr_t first, last; /* of the program */
static uintptr_t left_out[64];
static int left;

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

/* The program is the first object. */
static int
program(struct dl_phdr_info *info, size_t size, void *data)
{
	int i;

	(void) size;
	(void) data;
	first = UINTPTR_MAX;
	for (i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD) {
			uintptr_t at = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
			uintptr_t end = at + info->dlpi_phdr[i].p_memsz;

			first = at < first ? at : first;
			last = end > last ? end : last;
		}
	return 1;
}

__attribute__((constructor)) static void
start(void)
{
	const char *name = getenv("NOMEMORY");
	int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd >= 0 ? mmap(NULL, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (p == MAP_FAILED)
		abort();
	close(fd);
	dl_iterate_phdr(program, NULL);
	control = p;
}

static int
fails(void *caller)
{
	uintptr_t at = (uintptr_t) caller;
	int i;

	if (!control || !control->thread || at < first || at >= last || gettid() != control->thread)
		return 0;
	if (control->learn) {
		left_out[left++ % 64] = at;
		return 0;
	}
	for (i = 0; i < left && i < 64; i++)
		if (left_out[i] == at)
			return 0;
	if (++control->count != control->fail)
		return 0;
	errno = ENOMEM;
	return 1;
}

#define FAILS fails(__builtin_return_address(0))

void *malloc(size_t n) { return FAILS ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return FAILS ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return FAILS ? NULL : __libc_realloc(p, n); }

/* A function of a library, which returns end without memory. */
#define OF_LIBRARY(name, takes, gives, end) \
	void *name takes \
	{ \
		static void *(*real) takes; \
		if (FAILS) \
			return end; \
		if (!real) \
			real = (void *(*) takes) dlsym(RTLD_NEXT, #name); \
		return real gives; \
	}

OF_LIBRARY(g_try_malloc, (size_t n), (n), NULL)
OF_LIBRARY(g_try_malloc0, (size_t n), (n), NULL)
OF_LIBRARY(g_try_malloc_n, (size_t n, size_t size), (n, size), NULL)
OF_LIBRARY(g_try_malloc0_n, (size_t n, size_t size), (n, size), NULL)
OF_LIBRARY(g_try_realloc, (void *p, size_t n), (p, n), NULL)
OF_LIBRARY(g_try_realloc_n, (void *p, size_t n, size_t size), (p, n, size), NULL)
OF_LIBRARY(libdeflate_alloc_compressor, (int level), (level), NULL)
OF_LIBRARY(aligned_alloc, (size_t to, size_t n), (to, n), NULL)

/* These end the process. */
static void *
ends(void)
{
	abort();
}

OF_LIBRARY(g_malloc, (size_t n), (n), ends())
OF_LIBRARY(g_malloc0, (size_t n), (n), ends())
OF_LIBRARY(g_malloc_n, (size_t n, size_t size), (n, size), ends())
OF_LIBRARY(g_malloc0_n, (size_t n, size_t size), (n, size), ends())
OF_LIBRARY(g_realloc, (void *p, size_t n), (p, n), ends())
OF_LIBRARY(g_realloc_n, (void *p, size_t n, size_t size), (p, n, size), ends())
