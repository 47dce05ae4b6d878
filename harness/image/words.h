/*
 * What is written to memory and to files to be known again: every 8 bytes are unlike all others,
 * so that none can be read for another.
 */
#ifndef WORDS_H
#define WORDS_H

#include <stdint.h>

#include "probe.h"

static uint64_t word_at(size_t offset)
{
	return (offset + 1) * 0x9e3779b97f4a7c15ULL;
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

#endif
