/*
 * What daxprobe does to files, and shows of them by read(), write() and stat(). Of files and
 * devices that are there:
 *
 *   punch:LENGTH:PATH                   fallocate() of a hole in place of the first LENGTH bytes
 *   store:FIRST:LENGTH:PATH             the words of fill, by one write()
 *   write-out:LENGTH:STRIDE:PATH        the same, STRIDE bytes a write(), and fsync()
 *   read-in:LENGTH:STRIDE:PATH          read() of them, when nothing is in caches
 *   write-on:LENGTH:PATH                write to the first LENGTH bytes past caches, again and
 *                                       again, to the first error; says pause after the first
 *   truncate:LENGTH:PATH                truncate(), by path
 *
 * Of files that it makes and removes:
 *
 *   sparse:SIZE:WRITTEN:PATH            read() of more than a file of SIZE bytes has, of which the
 *                                       first WRITTEN were written
 *   stale:LENGTH:STRIDE:PATH            of a file of LENGTH bytes that is full every other STRIDE is
 *                                       made a hole, in which one byte is written: bytes beside it
 *                                       that are not zero
 *   store-time:PATH                     what a store through a shared mapping makes of a time of
 *                                       modification that was set to 1970
 *
 * What the kernel refuses is the errno of the reply.
 */
#ifndef FILES_H
#define FILES_H

#include <sys/stat.h>

#include "probe.h"
#include "words.h"

/* More than a file system reads at once, so that where a file ends is its to know. */
#define BEHIND (1UL << 20)
#define FILLED 0xaa

/* 0 where all was written. What is short is asked for again, so that errno says why it is. */
static int write_all(int file, const void *what, size_t size, off_t at)
{
	const char *rest = what;
	ssize_t done;

	for (; size; rest += done, at += done, size -= done) {
		done = pwrite(file, rest, size, at);
		if (!done)
			errno = EIO;
		if (done <= 0)
			return -1;
	}
	return 0;
}

static int new_file(const char *path)
{
	return open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
}

static void remove_file(int file, const char *path)
{
	close(file);
	unlink(path);
}

static unsigned char *room_of(size_t size, int byte)
{
	unsigned char *room = malloc(size);

	if (!room)
		die("malloc");
	return memset(room, byte, size);
}

static void read_sparse(char *words)
{
	size_t size = number(&words), written = number(&words);
	unsigned char *room = room_of(size + BEHIND, FILLED);
	int file = new_file(words);
	ssize_t got = -1;

	if (file >= 0 && !write_all(file, room, written, 0) && !ftruncate(file, size))
		got = pread(file, room, size + BEHIND, 0);
	say("{\"op\": \"sparse\", \"errno\": %d, \"bytes\": %zd}", got < 0 ? errno : 0, got);
	remove_file(file, words);
	free(room);
}

/* Every other STRIDE, from the second on, is a hole afterwards whose block is free. */
static int make_holes(int file, size_t length, size_t stride)
{
	size_t at;

	for (at = stride; at < length; at += 2 * stride)
		if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, stride))
			return -1;
	/* It is free once the journal says so. */
	sync();
	return 0;
}

/* 0 where the file is as it is to be looked at, and was read into the room. */
static int fill_holes(int file, unsigned char *room, size_t length, size_t stride)
{
	ssize_t got;
	size_t at;

	if (write_all(file, room, length, 0) || fsync(file) || make_holes(file, length, stride))
		return -1;
	/* The block nearest to its neighbours is the one that was there. */
	for (at = stride + stride / 2; at < length; at += 2 * stride)
		if (write_all(file, room, 1, at))
			return -1;
	got = pread(file, room, length, 0);
	if (got >= 0 && got < (ssize_t)length)
		errno = ENODATA;
	return got == (ssize_t)length ? 0 : -1;
}

static void look_for_stale(char *words)
{
	size_t length = number(&words), stride = number(&words), at, stale = 0;
	unsigned char *room = room_of(length, FILLED);
	int file = new_file(words);
	int failed = file < 0 || fill_holes(file, room, length, stride);
	int error = failed ? errno : 0;

	for (at = 0; !failed && at < length; at++)
		stale += at / stride % 2 && at % stride != stride / 2 && room[at];
	say("{\"op\": \"stale\", \"errno\": %d, \"bytes\": %zu}", error, stale);
	remove_file(file, words);
	free(room);
}

/* 0 where it was made to be of 1970, mapped and stored to. */
static int store_through(int file, struct stat *now)
{
	const struct timespec then[2] = { { 0, 0 }, { 0, 0 } };
	size_t page = sysconf(_SC_PAGESIZE);
	int failed;
	char *at;

	if (ftruncate(file, page))
		return -1;
	at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (at == MAP_FAILED)
		return -1;
	failed = futimens(file, then);
	if (!failed)
		*(volatile char *)at = 1;
	failed = failed || msync(at, page, MS_SYNC) || fstat(file, now);
	munmap(at, page);
	return failed ? -1 : 0;
}

static void store_time(char *words)
{
	int file = new_file(words);
	struct stat now = { 0 };
	int error = file < 0 || store_through(file, &now) ? errno : 0;

	say("{\"op\": \"store-time\", \"errno\": %d, \"modified\": %lld, \"changed\": %lld}", error,
	    (long long)now.st_mtime, (long long)now.st_ctime);
	remove_file(file, words);
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
	size_t first = number(&words), length = number(&words);
	uint64_t *all = room_for(length);
	int file = open(words, O_RDWR);

	fill(all, first, length, first + length);
	result("store", file < 0 || write_all(file, all, length, first));
	free(all);
	close(file);
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

static void shorten(char *words)
{
	size_t length = number(&words);

	result("truncate", truncate(words, length));
}

static const struct operation file_operations[] = {
	{ "sparse", .with = read_sparse },
	{ "stale", .with = look_for_stale },
	{ "store-time", .with = store_time },
	{ "punch", .with = punch },
	{ "store", .with = store },
	{ "write-out", .with = write_out },
	{ "read-in", .with = read_in },
	{ "write-on", .with = write_on },
	{ "truncate", .with = shorten },
};

/* Does one of the operations above; 0 for any other. */
static int did_file(const char *op, char *words)
{
	return did_one_of(file_operations, OPERATIONS(file_operations), op, words);
}

#endif
