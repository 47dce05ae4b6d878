/*
 * daxprobe: maps memory, touches it as told, and says what user space sees of that.
 *
 * Its arguments are operations: those of probe.h, measure.h, files.h, reach.h,
 * and
 *
 *   map-again:LENGTH:PATH               map PATH another time, where nobody looks at it
 *   unmap-part:FIRST:LENGTH             munmap() of that much of the mapping
 *   protect:r|rw                        mprotect() of the whole mapping
 *   bind:NODE                           mbind() of the whole mapping to a memory node alone
 *   lock                                mlock() of the whole mapping
 *   collapse                            madvise(MADV_COLLAPSE) of the whole mapping
 *   one-cpu                             stay on CPU 0, by which the lanes of regions are chosen
 *   sync                                msync() of the whole mapping
 *   hold:FIRST:LENGTH                   vmsplice() into a pipe that nobody reads: a reference to
 *                                       each page, for as long as the pipe is there
 *   release                             close that pipe
 *   pause                               wait for a line on standard input
 *   early                               prctl(PR_MCE_KILL): told of poison at once
 *   not-early                           the same, and taken back: as if it had never been asked for
 *   poison:OFFSET                       madvise(MADV_HWPOISON) of the page there
 *   corrupt:PFN                         debugfs hwpoison/corrupt-pfn
 *   gup:NUMBER:FIRST:LENGTH:PAGES:FLAGS  gup_test's ioctl of that number, PAGES a call
 *   count:NAME                          counters of this process and of the kernel
 *   steady                              wait until page tables of the past are freed
 *   settle                              wait until no more pages of page tables are left than
 *                                       at the first count
 *   repeat:N { ... }                    operations again and again
 *   fork { ... }                        operations in a child, which is waited for
 *
 * Offsets are bytes from the start of the mapping.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "files.h"
#include "measure.h"
#include "probe.h"
#include "reach.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
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

static size_t page_size;
static long tables_at_start = -1;
static int held[2] = { -1, -1 };

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

static void count(char *name)
{
	const char *text = text_of("/proc/self/status");
	long tables = value_of(text, "VmPTE"), rss = value_of(text, "VmRSS");
	long file = value_of(text, "RssFile"), anon = value_of(text, "RssAnon");
	long locked = value_of(text, "VmLck");
	long global_tables, nr_mapped, pmd_mapped, anon_huge, acquired, released;

	text = vmstat();
	global_tables = value_of(text, "nr_page_table_pages");
	nr_mapped = value_of(text, "nr_mapped");
	pmd_mapped = value_of(text, "nr_file_pmdmapped");
	anon_huge = value_of(text, "nr_anon_transparent_hugepages");
	acquired = value_of(text, "nr_foll_pin_acquired");
	released = value_of(text, "nr_foll_pin_released");
	if (tables_at_start < 0)
		tables_at_start = global_tables;
	text = text_of("/proc/meminfo");
	say("{\"op\": \"count\", \"name\": \"%s\", \"VmPTE_kB\": %ld, \"VmRSS_kB\": %ld, "
	    "\"RssFile_kB\": %ld, \"RssAnon_kB\": %ld, \"VmLck_kB\": %ld, "
	    "\"nr_page_table_pages\": %ld, "
	    "\"nr_mapped\": %ld, \"nr_file_pmdmapped\": %ld, "
	    "\"nr_anon_transparent_hugepages\": %ld, \"nr_foll_pin_acquired\": %ld, "
	    "\"nr_foll_pin_released\": %ld, \"HardwareCorrupted_kB\": %ld, "
	    "\"Committed_AS_kB\": %ld}",
	    name, tables, rss, file, anon, locked, global_tables, nr_mapped, pmd_mapped, anon_huge,
	    acquired, released, value_of(text, "HardwareCorrupted"),
	    value_of(text, "Committed_AS"));
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

static void map_again(char *words)
{
	size_t length = number(&words);
	int file = open(words, O_RDWR);

	result("map-again", file < 0 || mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file,
					     0) == MAP_FAILED);
	close(file);
}

static void unmap_part(char *words)
{
	size_t first = number(&words);

	result("unmap-part", mapped && munmap(base + first, number(&words)));
}

static void protect(char *words)
{
	int protection = strcmp(words, "r") ? PROT_READ | PROT_WRITE : PROT_READ;

	result("protect", mapped && mprotect(base, mapped, protection));
}

static void bind_to(char *words)
{
	size_t node = number(&words), bits = 8 * sizeof(long);
	unsigned long nodes = node < bits ? 1UL << node : 0;

	/* The kernel takes one from the number of bits. */
	result("bind", mapped && syscall(SYS_mbind, base, mapped, MPOL_BIND, &nodes, bits + 1, 0));
}

static void lock(void)
{
	result("lock", mapped && mlock(base, mapped));
}

static void collapse(void)
{
	result("collapse", mapped && madvise(base, mapped, MADV_COLLAPSE));
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

static void corrupt(char *words)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%#zx\n", number(&words)), error = 0;
	int file = open(CORRUPT_PFN, O_WRONLY);

	if (file < 0)
		die(CORRUPT_PFN " (CONFIG_HWPOISON_INJECT)");
	if (write(file, text, length) != length)
		error = errno;
	close(file);
	say("{\"op\": \"corrupt\", \"errno\": %d}", error);
}

static void hold(char *words)
{
	size_t first = number(&words);
	struct iovec range = { .iov_base = base + first, .iov_len = number(&words) };
	ssize_t length;

	if (pipe(held))
		die("pipe");
	length = vmsplice(held[1], &range, 1, SPLICE_F_NONBLOCK);
	say("{\"op\": \"hold\", \"errno\": %d, \"held_bytes\": %zd}", length < 0 ? errno : 0,
	    length < 0 ? 0 : length);
}

static void release(void)
{
	result("release", close(held[1]) || close(held[0]));
}

static void pause_for_line(void)
{
	char byte = 0;

	say("{\"op\": \"pause\"}");
	while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
		;
}

static void stay(void)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	result("one-cpu", sched_setaffinity(0, sizeof(first), &first));
}

static void sync_mapping(void)
{
	result("sync", mapped && msync(base, mapped, MS_SYNC));
}

static void ask_early(void)
{
	result("early", prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
}

static void ask_early_no_more(void)
{
	result("not-early", prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0) ||
				    prctl(PR_MCE_KILL, PR_MCE_KILL_CLEAR, 0, 0, 0));
}

static void poison(char *words)
{
	result("poison", mapped && madvise(base + number(&words), page_size, MADV_HWPOISON));
}

static const struct operation operations[] = {
	{ "map-again", .with = map_again },
	{ "unmap-part", .with = unmap_part },
	{ "protect", .with = protect },
	{ "bind", .with = bind_to },
	{ "lock", .alone = lock },
	{ "collapse", .alone = collapse },
	{ "one-cpu", .alone = stay },
	{ "sync", .alone = sync_mapping },
	{ "hold", .with = hold },
	{ "release", .alone = release },
	{ "pause", .alone = pause_for_line },
	{ "early", .alone = ask_early },
	{ "not-early", .alone = ask_early_no_more },
	{ "poison", .with = poison },
	{ "corrupt", .with = corrupt },
	{ "gup", .with = gup },
	{ "count", .with = count },
	{ "steady", .alone = steady },
	{ "settle", .alone = settle },
};

static void one(char *word)
{
	char *op = strsep(&word, ":");

	if (did_mapping(op, word) || did_measure(op, word) || did_file(op, word) ||
	    did_reach(op, word) || did_one_of(operations, OPERATIONS(operations), op, word))
		return;
	errno = EINVAL;
	die(op);
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

	if (!strncmp(op, "do:", 3)) {
		command(atoi(op + 3), body, end);
		return;
	}
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
	print_at_once();
	run(argv + 1, argv + argc);
	return end_like_command();
}
