/*
 * daxprobe: maps memory, touches it as told, and says what user space sees of that.
 *
 * Its arguments are operations, done in their order; each prints one line of JSON.
 *
 *   map:KIND:PROT:OFFSET:LENGTH[:PATH]  KIND shared, private or sync; PROT r or rw;
 *                                       without PATH anonymous memory
 *   map-anywhere:...                    the same, at an address of the kernel's choice
 *   advise:huge|nohuge                  madvise() of the whole mapping
 *   touch:read|write:FIRST:LENGTH:STRIDE  one access each STRIDE bytes, to the first signal
 *   unmap                               munmap() of the whole mapping
 *   truncate:LENGTH:PATH                truncate(), by path
 *   early                               prctl(PR_MCE_KILL): told of poison at once
 *   poison:OFFSET                       madvise(MADV_HWPOISON) of the page there
 *   corrupt:PFN                         debugfs hwpoison/corrupt-pfn
 *   gup:NUMBER:FIRST:LENGTH:PAGES:FLAGS  gup_test's ioctl of that number, PAGES a call
 *   caught                              the signal since it was last asked for, outside touch
 *   count:NAME                          counters of this process and of the kernel
 *   steady                              wait until page tables of the past are freed
 *   settle                              wait until no more pages of page tables are left than
 *                                       at the first count
 *   repeat:N { ... }                    operations again and again
 *   fork { ... }                        operations in a child, which is waited for
 *
 * Offsets are bytes from the start of the mapping. map puts it at a fixed address where no
 * page table below the level of PUDs exists yet, so that all that it needs is its own.
 * Exit status: 0, or 2 for operations that make no sense or that the host of this program
 * (the guest's configuration) lacks something for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIXED ((char *)(64UL << 30))
#define GUP_TEST "/sys/kernel/debug/gup_test"
#define CORRUPT_PFN "/sys/kernel/debug/hwpoison/corrupt-pfn"
#define SETTLE_STEPS 100
#define SETTLE_USEC 20000
#define STEADY_STEPS 5

/* mm/gup_test.h, unchanged from 6.1 to 7.2. */
struct gup_test {
	uint64_t get_usec, put_usec, addr, size;
	uint32_t pages_per_call, gup_flags, test_flags, which_pages[8];
};

static char *base = FIXED;
static size_t page_size, mapped;
static sigjmp_buf escape;
static volatile sig_atomic_t touching, pending;
static siginfo_t caught;
static long tables_at_start = -1;

static void die(const char *what)
{
	fprintf(stderr, "daxprobe: %s: %s\n", what, strerror(errno));
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
	line[length++] = '\n';
	if (write(STDOUT_FILENO, line, length) != length)
		die("write");
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number, (void)context;
	caught = *info;
	if (touching)
		siglongjmp(escape, 1);
	pending = 1;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };

	if (sigaction(SIGBUS, &action, NULL) || sigaction(SIGSEGV, &action, NULL))
		die("sigaction");
}

static void on_nothing(int number)
{
	(void)number;
}

/* A signal goes through the vdso, which fork leaves to be mapped anew: not in between two counts. */
static void meet_vdso(void)
{
	if (signal(SIGUSR1, on_nothing) == SIG_ERR || raise(SIGUSR1))
		die("raise");
}

/* The caught signal as JSON fields; si_addr_lsb exists for memory errors alone. */
static const char *signal_fields(int is_caught)
{
	static char text[160];
	int memory_error = caught.si_signo == SIGBUS &&
		(caught.si_code == BUS_MCEERR_AR || caught.si_code == BUS_MCEERR_AO);

	if (!is_caught)
		return "\"signal\": 0";
	snprintf(text, sizeof(text), "\"signal\": %d, \"code\": %d, \"offset\": %ld, \"lsb\": %d",
		 caught.si_signo, caught.si_code, (long)((char *)caught.si_addr - base),
		 memory_error ? caught.si_addr_lsb : -1);
	return text;
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

static void count(const char *name)
{
	const char *text = text_of("/proc/self/status");
	long tables = value_of(text, "VmPTE"), rss = value_of(text, "VmRSS");
	long file = value_of(text, "RssFile"), anon = value_of(text, "RssAnon");
	long global_tables, nr_mapped, pmd_mapped, acquired, released;

	text = vmstat();
	global_tables = value_of(text, "nr_page_table_pages");
	nr_mapped = value_of(text, "nr_mapped");
	pmd_mapped = value_of(text, "nr_file_pmdmapped");
	acquired = value_of(text, "nr_foll_pin_acquired");
	released = value_of(text, "nr_foll_pin_released");
	if (tables_at_start < 0)
		tables_at_start = global_tables;
	text = text_of("/proc/meminfo");
	say("{\"op\": \"count\", \"name\": \"%s\", \"VmPTE_kB\": %ld, \"VmRSS_kB\": %ld, "
	    "\"RssFile_kB\": %ld, \"RssAnon_kB\": %ld, \"nr_page_table_pages\": %ld, "
	    "\"nr_mapped\": %ld, \"nr_file_pmdmapped\": %ld, \"nr_foll_pin_acquired\": %ld, "
	    "\"nr_foll_pin_released\": %ld, \"HardwareCorrupted_kB\": %ld}",
	    name, tables, rss, file, anon, global_tables, nr_mapped, pmd_mapped, acquired, released,
	    value_of(text, "HardwareCorrupted"));
}

/* Other processes' page tables, too, are freed after a grace period. */
static void steady(void)
{
	long last = -1, now;
	int same = 0, step;

	for (step = 0; same < STEADY_STEPS && step < SETTLE_STEPS; step++) {
		now = value_of(vmstat(), "nr_page_table_pages");
		same = now == last ? same + 1 : 0;
		last = now;
		usleep(SETTLE_USEC);
	}
	say("{\"op\": \"steady\", \"steps\": %d}", step);
}

/* What is left of this process' own after two seconds has leaked. */
static void settle(void)
{
	int step = 0;
	long now;

	while ((now = value_of(vmstat(), "nr_page_table_pages")) > tables_at_start &&
	       ++step < SETTLE_STEPS)
		usleep(SETTLE_USEC);
	say("{\"op\": \"settle\", \"page_table_pages_left\": %ld}", now - tables_at_start);
}

/* MAP_FIXED_NOREPLACE would do for all but sync: MAP_SHARED_VALIDATE does not know it. */
static void map(char *words, int fixed)
{
	const char *kind = strsep(&words, ":"), *prot = strsep(&words, ":");
	size_t offset = number(&words), length = number(&words);
	int flags = fixed, protection = PROT_READ, file = -1, error = 0;
	char *at;

	if (!strcmp(kind, "sync"))
		flags |= MAP_SHARED_VALIDATE | MAP_SYNC;
	else
		flags |= strcmp(kind, "shared") ? MAP_PRIVATE : MAP_SHARED;
	if (!strcmp(prot, "rw"))
		protection |= PROT_WRITE;
	if (words) {
		file = open(words, O_RDWR);
		if (file < 0)
			die(words);
	} else {
		flags |= MAP_ANONYMOUS;
	}
	at = mmap(fixed ? FIXED : NULL, length, protection, flags, file, offset);
	if (at == MAP_FAILED) {
		error = errno;
	} else {
		base = at;
		mapped = length;
	}
	if (file >= 0)
		close(file);
	say("{\"op\": \"map\", \"errno\": %d}", error);
}

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static void touch(char *words)
{
	int writes = !strcmp(strsep(&words, ":"), "write"), stopped;
	size_t first = number(&words), length = number(&words), stride = number(&words);
	volatile size_t done = 0;
	volatile long before = 0;

	if (!mapped) {
		say("{\"op\": \"touch\", \"skipped\": true}");
		return;
	}
	stopped = sigsetjmp(escape, 1);
	if (!stopped) {
		/* Written before the faults are counted: a child copies both pages here. */
		touching = 1;
		before = faults();
	}
	for (; !stopped && done < length; done += stride) {
		volatile char *at = base + first + done;

		if (writes)
			*at = 1;
		else
			(void)*at;
	}
	touching = 0;
	say("{\"op\": \"touch\", \"touched_bytes\": %zu, \"faults\": %ld, %s}",
	    done < length ? done : length, faults() - before, signal_fields(stopped));
}

static void gup(char *words)
{
	size_t command = number(&words), first = number(&words);
	struct gup_test test = { .addr = (uint64_t)(base + first), .size = number(&words) };
	int file = open(GUP_TEST, O_RDWR), error = 0;

	if (file < 0)
		die(GUP_TEST " (CONFIG_GUP_TEST)");
	test.pages_per_call = number(&words);
	test.gup_flags = number(&words);
	if (ioctl(file, _IOWR('g', command, struct gup_test), &test))
		error = errno;
	close(file);
	say("{\"op\": \"gup\", \"errno\": %d, \"size\": %llu}", error,
	    (unsigned long long)test.size);
}

static void corrupt(size_t pfn)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%#zx\n", pfn), error = 0;
	int file = open(CORRUPT_PFN, O_WRONLY);

	if (file < 0)
		die(CORRUPT_PFN " (CONFIG_HWPOISON_INJECT)");
	if (write(file, text, length) != length)
		error = errno;
	close(file);
	say("{\"op\": \"corrupt\", \"errno\": %d}", error);
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

static void shorten(char *words)
{
	size_t length = number(&words);

	result("truncate", truncate(words, length));
}

static void one(char *word)
{
	char *op = strsep(&word, ":");

	if (!strcmp(op, "map"))
		map(word, MAP_FIXED);
	else if (!strcmp(op, "map-anywhere"))
		map(word, 0);
	else if (!strcmp(op, "advise"))
		advise(word);
	else if (!strcmp(op, "touch"))
		touch(word);
	else if (!strcmp(op, "unmap"))
		unmap();
	else if (!strcmp(op, "truncate"))
		shorten(word);
	else if (!strcmp(op, "early"))
		result(op, prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
	else if (!strcmp(op, "poison"))
		result(op, mapped && madvise(base + number(&word), page_size, MADV_HWPOISON));
	else if (!strcmp(op, "gup"))
		gup(word);
	else if (!strcmp(op, "corrupt"))
		corrupt(number(&word));
	else if (!strcmp(op, "caught"))
		say("{\"op\": \"caught\", %s}", signal_fields(pending)), pending = 0;
	else if (!strcmp(op, "count"))
		count(word);
	else if (!strcmp(op, "steady"))
		steady();
	else if (!strcmp(op, "settle"))
		settle();
	else
		errno = EINVAL, die(op);
}

static char **closing(char **words)
{
	int depth = 1;

	while (*words && depth) {
		depth += !strcmp(*words, "{") - !strcmp(*words, "}");
		words++;
	}
	if (depth)
		errno = EINVAL, die("a } is missing");
	return words - 1;
}

static void run(char **words, char **end);

static void block(char *op, char **body, char **end)
{
	pid_t child;
	int status;
	long times;

	if (!strncmp(op, "repeat:", 7)) {
		for (times = atol(op + 7); times > 0; times--)
			run(body, end);
		return;
	}
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		meet_vdso();
		run(body, end);
		exit(0);
	}
	if (waitpid(child, &status, 0) < 0)
		die("waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status))
		exit(WEXITSTATUS(status));
	say("{\"op\": \"join\", \"signal\": %d}", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void run(char **words, char **end)
{
	for (; words < end; words++) {
		if (words + 1 < end && !strcmp(words[1], "{")) {
			char **close = closing(words + 2);

			block(*words, words + 2, close);
			words = close;
		} else {
			char copy[512];

			snprintf(copy, sizeof(copy), "%s", *words);
			one(copy);
		}
	}
}

int main(int argc, char **argv)
{
	page_size = sysconf(_SC_PAGESIZE);
	catch_signals();
	meet_vdso();
	/* All of the program is there from the start: no fault is its own, no counter moves. */
	if (mlockall(MCL_CURRENT))
		die("mlockall");
	run(argv + 1, argv + argc);
	return 0;
}
