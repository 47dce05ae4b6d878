/*
 * daxprobe: maps memory, touches it as told, and says what user space sees of that.
 *
 * Its arguments are operations: those of probe.h, measure.h and files.h, and
 *
 *   touch:read|write:FIRST:LENGTH:STRIDE  one access each STRIDE bytes, to the first signal
 *   touch:fill|verify:FIRST:LENGTH:STRIDE  the same, by words that are unlike each other;
 *                                       verify ends at the first that is not what fill wrote
 *   peek:FIRST:LENGTH:STRIDE            what verify does, STRIDE bytes a read() of /proc/self/mem,
 *                                       the last one shorter
 *   map-again:LENGTH:PATH               map PATH another time, where nobody looks at it
 *   unmap-part:FIRST:LENGTH             munmap() of that much of the mapping
 *   protect:r|rw                        mprotect() of the whole mapping
 *   bind:NODE                           mbind() of the whole mapping to a memory node alone
 *   lock                                mlock() of the whole mapping
 *   forbid                              mprotect(PROT_READ) of the whole mapping
 *   move:DISTANCE                       mremap() of the whole mapping, so far up
 *   leave                               munmap() of the whole mapping; as after the two before, the
 *                                       signal of an access that is no more allowed
 *   collapse                            madvise(MADV_COLLAPSE) of the whole mapping
 *   punch:LENGTH:PATH                   fallocate() of a hole in place of the first LENGTH bytes
 *   store:LENGTH:PATH                   the words of fill, by write()
 *   write-out:LENGTH:STRIDE:PATH        the same, STRIDE bytes a write(), and fsync()
 *   read-in:LENGTH:STRIDE:PATH          read() of them, when nothing is in caches
 *   one-cpu                             stay on CPU 0, by which the lanes of regions are chosen
 *   sync                                msync() of the whole mapping
 *   hold:FIRST:LENGTH                   vmsplice() into a pipe that nobody reads: a reference to
 *                                       each page, for as long as the pipe is there
 *   release                             close that pipe
 *   pause                               wait for a line on standard input
 *   write-on:LENGTH:PATH                write to the first LENGTH bytes past caches, again and
 *                                       again, to the first error; says pause after the first
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
 * Offsets are bytes from the start of the mapping.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "files.h"
#include "measure.h"
#include "probe.h"

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
static sigjmp_buf escape;
static volatile sig_atomic_t touching, pending;
static siginfo_t caught;
static long tables_at_start = -1;
static int held[2] = { -1, -1 };

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

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Every word of a mapping is unlike all others, so that none can be read for another. */
static uint64_t word_at(size_t offset)
{
	return (offset + 1) * 0x9e3779b97f4a7c15ULL;
}

/* One access; whether it found what it had to. */
static int reach(const char *how, size_t offset)
{
	volatile char *at = base + offset;

	/* By the first letter, which is enough: this is called for each word. */
	switch (*how) {
	case 'w':
		*at = 1;
		break;
	case 'f':
		*(volatile uint64_t *)at = word_at(offset);
		break;
	case 'v':
		return *(volatile uint64_t *)at == word_at(offset);
	default:
		(void)*at;
	}
	return 1;
}

static void touch(char *words)
{
	const char *how = strsep(&words, ":");
	int stopped;
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
	while (!stopped && done < length && reach(how, first + done))
		done += stride;
	touching = 0;
	say("{\"op\": \"touch\", \"touched_bytes\": %zu, \"faults\": %ld, %s}",
	    done < length ? done : length, faults() - before, signal_fields(stopped));
}

/* The way of a debugger: the kernel finds each page by get_user_pages_remote(). */
static void peek(char *words)
{
	size_t first = number(&words), length = number(&words), stride = number(&words);
	int file = open("/proc/self/mem", O_RDONLY);
	uint64_t *chunk = malloc(stride);
	size_t done = 0, size, at;

	if (file < 0 || !chunk)
		die("/proc/self/mem");
	while (mapped && done < length) {
		size = length - done < stride ? length - done : stride;
		if (pread(file, chunk, size, (off_t)(size_t)(base + first + done)) != (ssize_t)size)
			break;
		for (at = 0; at < size && chunk[at / 8] == word_at(first + done + at); at += 8)
			;
		done += at;
		if (at < size)
			break;
	}
	free(chunk);
	close(file);
	say("{\"op\": \"peek\", \"touched_bytes\": %zu}", done);
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

static void reach_again(volatile char *at, int writes)
{
	char byte = *at;

	if (writes)
		*at = byte;
}

/*
 * What the TLB is to forget: the mapping's last byte is reached right before and right after it
 * changes, since whatever else runs on this CPU meanwhile empties its TLB. It is not the first page,
 * whose entry goes with a page table that is freed.
 */
static void change(const char *op, int (*how)(size_t amount), size_t amount, int writes)
{
	volatile char *last = base + mapped - 1;
	volatile int is_reached = 0, is_changed = 0, error = 0;
	int stopped;

	if (!mapped) {
		result(op, 0);
		return;
	}
	stopped = sigsetjmp(escape, 1);
	touching = 1;
	if (!stopped) {
		reach_again(last, writes);
		is_reached = 1;
	}
	if (!is_changed) {
		is_changed = 1;
		error = how(amount) ? errno : 0;
		if (is_reached && !error)
			reach_again(last, writes);
	}
	touching = 0;
	say("{\"op\": \"%s\", \"errno\": %d, \"after_signal\": %d}", op, error,
	    stopped ? caught.si_signo : 0);
}

static int move_up(size_t distance)
{
	char *at = mremap(base, mapped, mapped, MREMAP_MAYMOVE | MREMAP_FIXED, base + distance);

	if (at != MAP_FAILED)
		base = at;
	return at == MAP_FAILED;
}

static void move(char *words)
{
	change("move", move_up, number(&words), 0);
}

static int unmap_all(size_t length)
{
	mapped = 0;
	return munmap(base, length);
}

static void leave(void)
{
	change("leave", unmap_all, mapped, 0);
}

static int take_writing(size_t length)
{
	return mprotect(base, length, PROT_READ);
}

static void forbid(void)
{
	change("forbid", take_writing, mapped, 1);
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

/* A power of two that every sector size and page size divides. */
#define CHUNK (64UL << 10)

static void write_on(char *words)
{
	size_t length = number(&words), at = 0;
	int file = open(words, O_WRONLY | O_DIRECT), error = 0, started = 0;
	void *chunk;

	if (file < 0)
		die(words);
	if (posix_memalign(&chunk, CHUNK, CHUNK))
		die("posix_memalign");
	memset(chunk, 1, CHUNK);
	for (;; at = at + CHUNK < length ? at + CHUNK : 0) {
		if (write_all(file, chunk, CHUNK, at)) {
			error = errno;
			break;
		}
		if (!started++)
			say("{\"op\": \"pause\"}");
	}
	close(file);
	say("{\"op\": \"write-on\", \"errno\": %d}", error);
}

static void punch(char *words)
{
	size_t length = number(&words);
	int file = open(words, O_RDWR);

	result("punch", file < 0 || fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
					      length));
	close(file);
}

/* All by one call: what the kernel does once for each would else be done between the pages. */
static void store(char *words)
{
	size_t length = number(&words), at;
	uint64_t *all = malloc(length);
	int file;

	if (!all)
		die("malloc");
	for (at = 0; at < length; at += 8)
		all[at / 8] = word_at(at);
	file = open(words, O_RDWR);
	result("store", file < 0 || write_all(file, all, length, 0));
	free(all);
	close(file);
}

/* So much of the file as one chunk holds, which has room for the end of its last word. */
static size_t fill(uint64_t *chunk, size_t first, size_t stride, size_t length)
{
	size_t size = length - first < stride ? length - first : stride, at;

	for (at = 0; at < size; at += 8)
		chunk[at / 8] = word_at(first + at);
	return size;
}

static uint64_t *room_for(size_t stride)
{
	uint64_t *chunk = malloc(stride + 8);

	if (!chunk)
		die("malloc");
	return chunk;
}

static void write_out(char *words)
{
	size_t length = number(&words), stride = number(&words), size, done = 0;
	uint64_t *chunk = room_for(stride);
	int file = open(words, O_WRONLY);

	while (file >= 0 && done < length) {
		size = fill(chunk, done, stride, length);
		if (write_all(file, chunk, size, done))
			break;
		done += size;
	}
	result("write-out", done < length || fsync(file));
	free(chunk);
	close(file);
}

static void read_in(char *words)
{
	size_t length = number(&words), stride = number(&words), size, done = 0, same = 0;
	int file = open("/proc/sys/vm/drop_caches", O_WRONLY), error = 0;
	uint64_t *wanted = room_for(stride), *found = room_for(stride);
	ssize_t got;

	if (file < 0 || write(file, "3", 1) != 1)
		die("/proc/sys/vm/drop_caches (CONFIG_PROC_SYSCTL)");
	close(file);
	file = open(words, O_RDONLY);
	error = file < 0 ? errno : 0;
	while (file >= 0 && done < length) {
		size = fill(wanted, done, stride, length);
		got = pread(file, found, size, done);
		if (got <= 0) {
			error = got ? errno : 0;
			break;
		}
		/* By whole chunks: what is short is asked for again, and differs. */
		if ((size_t)got == size && !memcmp(found, wanted, size))
			same += size;
		done += got;
	}
	free(wanted);
	free(found);
	close(file);
	say("{\"op\": \"read-in\", \"errno\": %d, \"bytes\": %zu, \"same_bytes\": %zu}", error, done,
	    same);
}

static void stay(void)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	result("one-cpu", sched_setaffinity(0, sizeof(first), &first));
}

static void shorten(char *words)
{
	size_t length = number(&words);

	result("truncate", truncate(words, length));
}

static void sync_mapping(void)
{
	result("sync", mapped && msync(base, mapped, MS_SYNC));
}

static void ask_early(void)
{
	result("early", prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0));
}

static void poison(char *words)
{
	result("poison", mapped && madvise(base + number(&words), page_size, MADV_HWPOISON));
}

static void tell_caught(void)
{
	say("{\"op\": \"caught\", %s}", signal_fields(pending));
	pending = 0;
}

static const struct {
	const char *name;
	void (*with)(char *words);
	void (*alone)(void);
} operations[] = {
	{ "touch", .with = touch },
	{ "peek", .with = peek },
	{ "map-again", .with = map_again },
	{ "unmap-part", .with = unmap_part },
	{ "protect", .with = protect },
	{ "bind", .with = bind_to },
	{ "lock", .alone = lock },
	{ "forbid", .alone = forbid },
	{ "move", .with = move },
	{ "leave", .alone = leave },
	{ "collapse", .alone = collapse },
	{ "punch", .with = punch },
	{ "store", .with = store },
	{ "write-out", .with = write_out },
	{ "read-in", .with = read_in },
	{ "one-cpu", .alone = stay },
	{ "sync", .alone = sync_mapping },
	{ "hold", .with = hold },
	{ "release", .alone = release },
	{ "pause", .alone = pause_for_line },
	{ "write-on", .with = write_on },
	{ "truncate", .with = shorten },
	{ "early", .alone = ask_early },
	{ "poison", .with = poison },
	{ "corrupt", .with = corrupt },
	{ "gup", .with = gup },
	{ "caught", .alone = tell_caught },
	{ "count", .with = count },
	{ "steady", .alone = steady },
	{ "settle", .alone = settle },
};

static void one(char *word)
{
	char *op = strsep(&word, ":");
	size_t each;

	if (did_mapping(op, word) || did_measure(op, word) || did_file(op, word))
		return;
	for (each = 0; each < sizeof(operations) / sizeof(*operations); each++) {
		if (strcmp(op, operations[each].name))
			continue;
		if (operations[each].with)
			operations[each].with(word);
		else
			operations[each].alone();
		return;
	}
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
