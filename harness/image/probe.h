/*
 * What the project's programs in the guest share: how they are told what to do, what they
 * print, the kernel's counters, and one mapping.
 *
 * Arguments are operations, done in their order; each prints one line of JSON. These are here:
 *
 *   map:KIND:PROT:OFFSET:LENGTH[:PATH]  KIND shared, private, sync or huge (MAP_HUGETLB, of no
 *                                       path); PROT r or rw, for which PATH is opened as well;
 *                                       without PATH anonymous memory
 *   map-anywhere:...                    the same, at an address of the kernel's choice, below
 *                                       a page that was there ("over": the mapping lies over it)
 *   map-high:...                        the same as map, at HIGH
 *   advise:huge|nohuge                  madvise() of the whole mapping
 *   beside                              a page of other memory, BESIDE, written to
 *   unmap                               munmap() of the whole mapping
 *
 * What the kernel refuses, be it to open a file, is the errno of a reply, and what comes next has
 * no mapping to work on.
 *
 * map puts it at a fixed address where no page table below the level of PUDs exists yet, so
 * that all that it needs is its own. With something beside it, a PUD of 16G or more is not empty,
 * and whoever maps whole PUDs is not asked (defect.pud-fault-size).
 *
 * Exit status: 0, or 2 for operations that make no sense or that the host of the program (the
 * guest's configuration) lacks something for.
 */
#ifndef PROBE_H
#define PROBE_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIXED ((char *)(64UL << 30))
/* In the mapping's PUD where that has 16G; no mapping reaches it. */
#define BESIDE (FIXED + (8UL << 30))

/*
 * Above what three levels of page tables reach on s390x. Where three are all that there are, half of
 * what a process has.
 */
#if defined(__aarch64__) || defined(__riscv)
#define HIGH ((char *)(128UL << 30))
#else
#define HIGH ((char *)(8UL << 40))
#endif

/* One that takes words, or one that stands alone. */
struct operation {
	const char *name;
	void (*with)(char *words);
	void (*alone)(void);
};

#define OPERATIONS(all) (sizeof(all) / sizeof(*(all)))

static char *base = FIXED;
static size_t mapped;

static void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(2);
}

/* One write for one line: children share the output. */
static void say(const char *format, ...)
{
	char line[1024];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (length > (int)sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	if (write(STDOUT_FILENO, line, length) != length)
		die("write");
}

static size_t number(char **words)
{
	char *word = strsep(words, ":"), *end;
	size_t value;

	if (!word || !*word) {
		errno = EINVAL;
		die("a number is missing");
	}
	value = strtoull(word, &end, 0);
	if (*end) {
		errno = EINVAL;
		die(word);
	}
	return value;
}

/* A file's text, to its end or the buffer's, in memory that is touched before it counts. */
static const char *text_of(const char *path)
{
	static char text[32768];
	ssize_t got, length = 0;
	int file = open(path, O_RDONLY);

	if (file < 0)
		die(path);
	while ((got = read(file, text + length, sizeof(text) - 1 - length)) > 0)
		length += got;
	close(file);
	text[length] = 0;
	return text;
}

static long value_of(const char *text, const char *name)
{
	size_t length = strlen(name);
	const char *at = text;

	while ((at = strstr(at, name))) {
		if ((at == text || at[-1] == '\n') && strchr(": \t", at[length]))
			return atol(at + length + strspn(at + length, ": \t"));
		at += length;
	}
	return -1;
}

/* vmstat's counters are kept per CPU; only a write to stat_refresh adds them up. */
static const char *vmstat(void)
{
	int file = open("/proc/sys/vm/stat_refresh", O_WRONLY);

	if (file < 0)
		die("/proc/sys/vm/stat_refresh (CONFIG_PROC_SYSCTL)");
	/* Reports EINVAL where a counter is below zero for a moment. */
	if (write(file, "1", 1) != 1 && errno != EINVAL)
		die("/proc/sys/vm/stat_refresh");
	close(file);
	return text_of("/proc/vmstat");
}

/* Does the one of them that has the name; 0 where none has. */
static inline int did_one_of(const struct operation *all, size_t count, const char *op, char *words)
{
	for (; count; count--, all++) {
		if (strcmp(op, all->name))
			continue;
		if (all->with)
			all->with(words);
		else
			all->alone();
		return 1;
	}
	return 0;
}

static void result(const char *op, int failed)
{
	say("{\"op\": \"%s\", \"errno\": %d}", op, failed ? errno : 0);
}

static void unmap(void)
{
	result("unmap", mapped && munmap(base, mapped));
	mapped = 0;
}

static void advise(const char *advice)
{
	int number = strcmp(advice, "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE;

	result("advise", mapped && madvise(base, mapped, number));
}

static void beside(void)
{
	char *at = mmap(BESIDE, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	if (at != MAP_FAILED)
		*at = 1;
	result("beside", at == MAP_FAILED);
}

/* MAP_FIXED_NOREPLACE would do for all but sync: MAP_SHARED_VALIDATE does not know it. */
static void map(char *words, char *fixed)
{
	const char *kind = strsep(&words, ":"), *prot = strsep(&words, ":");
	size_t offset = number(&words), length = number(&words);
	size_t page = sysconf(_SC_PAGESIZE);
	int flags = fixed ? MAP_FIXED : 0, protection = PROT_READ, file = -1, error = 0, over = 0;
	char *at, *there = MAP_FAILED;

	if (!strcmp(kind, "sync"))
		flags |= MAP_SHARED_VALIDATE | MAP_SYNC;
	else if (!strcmp(kind, "huge"))
		flags |= MAP_PRIVATE | MAP_HUGETLB;
	else
		flags |= strcmp(kind, "shared") ? MAP_PRIVATE : MAP_SHARED;
	if (!strcmp(prot, "rw"))
		protection |= PROT_WRITE;
	if (words) {
		file = open(words, protection & PROT_WRITE ? O_RDWR : O_RDONLY);
		error = file < 0 ? errno : 0;
	} else {
		flags |= MAP_ANONYMOUS;
	}
	if (!fixed)
		there = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	at = error ? MAP_FAILED : mmap(fixed, length, protection, flags, file, offset);
	if (at == MAP_FAILED) {
		error = error ? error : errno;
	} else {
		base = at;
		mapped = length;
		over = there != MAP_FAILED && at < there + page && there < at + length;
	}
	if (there != MAP_FAILED && !over)
		munmap(there, page);
	if (file >= 0)
		close(file);
	say("{\"op\": \"map\", \"errno\": %d, \"over\": %d}", error, over);
}

/* Does one of the operations above; 0 for any other. */
static int did_mapping(const char *op, char *words)
{
	if (!strcmp(op, "map"))
		map(words, FIXED);
	else if (!strcmp(op, "map-anywhere"))
		map(words, NULL);
	else if (!strcmp(op, "map-high"))
		map(words, HIGH);
	else if (!strcmp(op, "advise"))
		advise(words);
	else if (!strcmp(op, "beside"))
		beside();
	else if (!strcmp(op, "unmap"))
		unmap();
	else
		return 0;
	return 1;
}

#endif
