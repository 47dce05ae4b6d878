/*
 * How daxprobe reaches its mapping, and which signal it gets:
 *
 *   touch:read|write:FIRST:LENGTH:STRIDE  one access each STRIDE bytes, to the first signal
 *   touch:fill|verify:FIRST:LENGTH:STRIDE  the same, by words that are unlike each other;
 *                                       verify ends at the first that is not what fill wrote
 *   peek:FIRST:LENGTH:STRIDE            what verify does, STRIDE bytes a read() of /proc/self/mem,
 *                                       the last one shorter
 *   forbid                              mprotect(PROT_READ) of the whole mapping
 *   move:DISTANCE                       mremap() of the whole mapping, so far up
 *   leave                               munmap() of the whole mapping; as after the two before, the
 *                                       signal of an access that is no more allowed
 *   caught                              the signal since it was last asked for, outside touch
 *
 * Offsets are bytes from the start of the mapping.
 */
#ifndef REACH_H
#define REACH_H

#include <setjmp.h>
#include <signal.h>
#include <sys/resource.h>

#include "probe.h"
#include "words.h"

static sigjmp_buf escape;
static volatile sig_atomic_t touching, pending;
static siginfo_t caught;

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

static long faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt + usage.ru_majflt;
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

static void tell_caught(void)
{
	say("{\"op\": \"caught\", %s}", signal_fields(pending));
	pending = 0;
}

static const struct operation reach_operations[] = {
	{ "touch", .with = touch },
	{ "peek", .with = peek },
	{ "forbid", .alone = forbid },
	{ "move", .with = move },
	{ "leave", .alone = leave },
	{ "caught", .alone = tell_caught },
};

/* Does one of the operations above; 0 for any other. */
static int did_reach(const char *op, char *words)
{
	return did_one_of(reach_operations, OPERATIONS(reach_operations), op, words);
}

#endif
