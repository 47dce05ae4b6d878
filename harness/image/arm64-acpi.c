/*
 * Starts a Linux kernel on QEMU's arm64 "virt" machine as UEFI firmware leaves it: with ACPI
 * tables, a memory map and a device tree that names both. It does nothing else that UEFI does,
 * which takes a second of every emulated boot.
 *
 * It runs from flash at address 0, alone, with the MMU off, and takes all from QEMU's fw_cfg.
 * Sources: docs/specs/fw_cfg.rst, hw/acpi/bios-linker-loader.c and hw/arm/boot.c of QEMU 10.0;
 * Documentation/arm64/booting.rst and drivers/firmware/efi/{fdtparams,arm-init}.c of Linux 6.1;
 * the UEFI specification, 2.10, 4.3 and 7.2 for the tables; the Devicetree specification, 0.4.
 */

#include <stddef.h>
#include <stdint.h>

/* Where hw/arm/virt.c has them. */
#define UART 0x09000000UL
#define FW_CFG 0x09020000UL
#define RAM 0x40000000UL

/*
 * Of the first 2 MiB of RAM: QEMU's device tree, what the kernel may reclaim, and a part that
 * ACPI writes to. All bounds are multiples of 64K, the largest page of a kernel.
 */
#define TABLES (RAM + 0x100000)
#define WRITABLE (RAM + 0x1f0000)
#define KERNEL (RAM + 0x200000)

enum { KERNEL_SIZE = 0x08, INITRD_SIZE = 0x0b, KERNEL_DATA = 0x11, INITRD_DATA = 0x12 };
enum { CMDLINE_SIZE = 0x14, CMDLINE_DATA = 0x15, FILE_DIRECTORY = 0x19 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };

/* The stack grows down into QEMU's device tree's megabyte, far above its end. */
__asm__(".section .start, \"ax\"\n"
	"	ldr	x0, =0x40100000\n"
	"	mov	sp, x0\n"
	"	bl	start\n"
	".globl enter\n"
	"enter:\n" /* x0: the device tree, x1: the kernel; neither comes back */
	"	mov	x4, x1\n"
	"	mov	x1, xzr\n"
	"	mov	x2, xzr\n"
	"	mov	x3, xzr\n"
	"	dsb	sy\n"
	"	ic	iallu\n"
	"	dsb	sy\n"
	"	isb\n"
	"	br	x4\n"
	".ltorg\n"
	".text\n");

_Noreturn void enter(uint64_t tree, uint64_t kernel);

static _Noreturn void stop(const char *why)
{
	volatile uint32_t *uart = (volatile uint32_t *)UART;
	const char *parts[] = { "\r\ndaxhound: firmware: ", why, "\r\n", NULL };

	for (int i = 0; parts[i]; i++)
		for (const char *at = parts[i]; *at; at++)
			*uart = *at;
	/* SYSTEM_OFF of PSCI, 5.1.9 of Arm's DEN0022: QEMU ends. */
	register uint64_t function __asm__("x0") = 0x84000008;
	__asm__ volatile("hvc #0" : "+r"(function));
	for (;;)
		__asm__ volatile("wfi");
}

/* The compiler calls these two by name where a structure is made or copied. */

void *memset(void *to, int value, size_t count)
{
	uint8_t *into = to;

	while (count--)
		*into++ = value;
	return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
	uint8_t *into = to;
	const uint8_t *of = from;

	while (count--)
		*into++ = *of++;
	return to;
}

static int same(const char *one, const char *other)
{
	while (*one && *one == *other)
		one++, other++;
	return *one == *other;
}

static size_t length(const char *text)
{
	size_t count = 0;

	while (text[count])
		count++;
	return count;
}

/* Numbers in tables are of any alignment, and none may be read unaligned with the MMU off. */
static uint64_t get(const void *from, int bytes)
{
	const uint8_t *of = from;
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | of[bytes];
	return value;
}

static void put(void *to, uint64_t value, int bytes)
{
	uint8_t *into = to;

	for (; bytes--; value >>= 8)
		*into++ = value;
}

static uint64_t get_big(const void *from, int bytes)
{
	const uint8_t *of = from;
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | *of++;
	return value;
}

static void put_big(void *to, uint64_t value, int bytes)
{
	uint8_t *into = to;

	for (; bytes--; value >>= 8)
		into[bytes] = value;
}

/* Memory that stays: handed out in one direction, never given back. */
struct area {
	uint64_t next, end;
};

static void *take(struct area *area, size_t bytes, uint64_t align)
{
	uint64_t at = (area->next + align - 1) & -align;

	if (at + bytes > area->end)
		stop("the tables take more room than there is");
	area->next = at + bytes;
	return (void *)at;
}

static void *put_copy(const void *of, size_t bytes, struct area *area)
{
	return memcpy(take(area, bytes, 8), of, bytes);
}

/* fw_cfg: QEMU copies, and has done so when the write that asks for it is done. */

static void transfer(uint32_t control, void *memory, uint32_t bytes)
{
	struct {
		uint32_t control, bytes;
		uint64_t memory;
	} volatile request = {
		__builtin_bswap32(control), __builtin_bswap32(bytes),
		__builtin_bswap64((uint64_t)memory),
	};

	__asm__ volatile("dsb sy" ::: "memory");
	*(volatile uint64_t *)(FW_CFG + 16) = __builtin_bswap64((uint64_t)&request);
	__asm__ volatile("dsb sy" ::: "memory");
	if (__builtin_bswap32(request.control) & DMA_ERROR)
		stop("QEMU refused a transfer of fw_cfg");
}

static void read_item(uint16_t item, void *into, uint32_t bytes)
{
	transfer((uint32_t)item << 16 | DMA_SELECT | DMA_READ, into, bytes);
}

static uint32_t read_number(uint16_t item)
{
	uint32_t number;

	read_item(item, &number, sizeof(number));
	return number;
}

/* A file of fw_cfg, as its directory has it: numbers of most significant byte first. */
struct entry {
	uint32_t bytes;
	uint16_t item, reserved;
	char name[56];
};

#define FILES 64

/* The files of fw_cfg, and where those are that were loaded. */
struct files {
	struct entry entries[FILES];
	uint8_t *contents[FILES];
	uint32_t count;
};

static void read_directory(struct files *files)
{
	uint32_t count;

	read_item(FILE_DIRECTORY, &count, sizeof(count));
	files->count = __builtin_bswap32(count);
	if (files->count > FILES)
		stop("fw_cfg has more files than there is room for");
	transfer(DMA_READ, files->entries, files->count * sizeof(files->entries[0]));
}

static uint32_t find(const struct files *files, const char *name)
{
	for (uint32_t i = 0; i < files->count; i++)
		if (same(files->entries[i].name, name))
			return i;
	stop(name);
}

static uint32_t size_of(const struct files *files, uint32_t number)
{
	return __builtin_bswap32(files->entries[number].bytes);
}

static void load(struct files *files, uint32_t number, struct area *area, uint32_t align)
{
	uint32_t bytes = size_of(files, number);

	files->contents[number] = take(area, bytes, align);
	read_item(__builtin_bswap16(files->entries[number].item), files->contents[number], bytes);
}

/* One step of "etc/table-loader", which tells how ACPI's tables become whole. */
struct step {
	uint32_t command;
	union {
		struct {
			char file[56];
			uint32_t align;
			uint8_t zone;
		} allocate;
		struct {
			char into[56], of[56];
			uint32_t offset;
			uint8_t bytes;
		} pointer;
		struct {
			char file[56];
			uint32_t offset, start, bytes;
		} checksum;
		struct {
			char into[56], of[56];
			uint32_t offset, target_offset;
			uint8_t bytes;
		} tell;
		uint8_t all[124];
	};
};

enum { ALLOCATE = 1, ADD_POINTER = 2, ADD_CHECKSUM = 3, WRITE_POINTER = 4 };

static uint8_t *content_of(const struct files *files, const char *name)
{
	uint8_t *content = files->contents[find(files, name)];

	if (!content)
		stop("the table loader names a file before it allocates it");
	return content;
}

static void add_pointer(const struct files *files, const struct step *step)
{
	uint8_t *at = content_of(files, step->pointer.into) + step->pointer.offset;
	uint64_t base = (uint64_t)content_of(files, step->pointer.of);

	put(at, get(at, step->pointer.bytes) + base, step->pointer.bytes);
}

static void add_checksum(const struct files *files, const struct step *step)
{
	uint8_t *content = content_of(files, step->checksum.file);
	uint8_t sum = 0;

	for (uint32_t i = 0; i < step->checksum.bytes; i++)
		sum += content[step->checksum.start + i];
	content[step->checksum.offset] -= sum;
}

static void write_pointer(const struct files *files, const struct step *step)
{
	uint32_t number = find(files, step->tell.into);
	uint16_t item = __builtin_bswap16(files->entries[number].item);
	uint8_t pointer[8];

	put(pointer, (uint64_t)content_of(files, step->tell.of) + step->tell.target_offset, 8);
	transfer((uint32_t)item << 16 | DMA_SELECT | DMA_SKIP, NULL, step->tell.offset);
	transfer(DMA_WRITE, pointer, step->tell.bytes);
}

/* The address of the root of ACPI's tables. */
static uint8_t *load_tables(struct files *files, struct area *tables, struct area *writable)
{
	uint32_t script = find(files, "etc/table-loader");
	const struct step *steps, *end;

	load(files, script, tables, 8);
	steps = (const struct step *)files->contents[script];
	end = steps + size_of(files, script) / sizeof(*steps);
	for (const struct step *step = steps; step < end; step++) {
		switch (step->command) {
		case ALLOCATE: {
			uint32_t number = find(files, step->allocate.file);
			int is_table = same(step->allocate.file, "etc/acpi/tables") ||
				       same(step->allocate.file, "etc/acpi/rsdp");

			load(files, number, is_table ? tables : writable, step->allocate.align);
			break;
		}
		case ADD_POINTER:
			add_pointer(files, step);
			break;
		case ADD_CHECKSUM:
			add_checksum(files, step);
			break;
		case WRITE_POINTER:
			write_pointer(files, step);
			break;
		}
	}
	return content_of(files, "etc/acpi/rsdp");
}

/* A flattened device tree, read or written from its first token on. */
enum { BEGIN_NODE = 1, END_NODE = 2, PROPERTY = 3, NOP = 4, END = 9 };

struct range {
	uint64_t start, bytes;
};

#define RANGES 16

struct ranges {
	struct range all[RANGES];
	uint32_t count;
};

static void add_range(struct ranges *ranges, uint64_t start, uint64_t bytes)
{
	if (ranges->count == RANGES)
		stop("there are more ranges of memory than there is room for");
	ranges->all[ranges->count++] = (struct range){ start, bytes };
}

/* What QEMU's device tree calls memory: of each node "memory@" the property "reg". */
static void read_memory(const uint8_t *tree, struct ranges *memory)
{
	const uint8_t *at = tree + get_big(tree + 8, 4);
	const char *names = (const char *)tree + get_big(tree + 12, 4);
	int in_memory = 0;

	for (;;) {
		uint32_t token = get_big(at, 4);

		at += 4;
		if (token == BEGIN_NODE) {
			const char *name = (const char *)at;

			in_memory = get_big(name, 7) == get_big("memory@", 7);
			at += (length(name) + 4) & -4UL;
		} else if (token == PROPERTY) {
			uint32_t bytes = get_big(at, 4);

			if (in_memory && same(names + get_big(at + 4, 4), "reg"))
				for (uint32_t i = 0; i + 16 <= bytes; i += 16)
					add_range(memory, get_big(at + 8 + i, 8),
						  get_big(at + 16 + i, 8));
			at += 8 + ((bytes + 3) & -4U);
		} else if (token == END) {
			return;
		}
	}
}

/* EFI: a memory map, and a system table that names ACPI's root and no service at all. */

enum { CONVENTIONAL = 7, ACPI_RECLAIM = 9, ACPI_NVS = 10 };

struct descriptor {
	uint32_t type, pad;
	uint64_t start, virtual_start, pages, attribute;
};

struct memory_map {
	struct descriptor all[RANGES + 4];
	uint32_t count;
};

#define WRITE_BACK 8

static void describe(struct memory_map *map, uint32_t type, uint64_t start, uint64_t end)
{
	map->all[map->count++] =
		(struct descriptor){ type, 0, start, 0, (end - start) >> 12, WRITE_BACK };
}

static struct memory_map *make_memory_map(const struct ranges *memory, struct area *tables)
{
	struct memory_map *map = take(tables, sizeof(*map), 8);

	map->count = 0;
	describe(map, CONVENTIONAL, RAM, TABLES);
	describe(map, ACPI_RECLAIM, TABLES, WRITABLE);
	describe(map, ACPI_NVS, WRITABLE, KERNEL);
	for (uint32_t i = 0; i < memory->count; i++) {
		const struct range *range = &memory->all[i];
		uint64_t start = range->start == RAM ? KERNEL : range->start;

		describe(map, CONVENTIONAL, start, range->start + range->bytes);
	}
	return map;
}

#define TABLE_COUNT 2

struct system_table {
	uint64_t signature;
	uint32_t revision, header_bytes, crc, reserved;
	const uint16_t *vendor;
	uint64_t vendor_revision;
	uint64_t consoles[6], runtime, boot;
	uint64_t table_count;
	const struct table *tables;
};

struct table {
	uint8_t guid[16];
	const void *content;
};

/* Version, length, and a bit for each service that can be called at run time: none. */
static const struct {
	uint16_t version, bytes;
	uint32_t supported;
} services = { 1, 8, 0 };

static const struct table *make_tables(const uint8_t *acpi, struct area *area)
{
	struct table *tables = take(area, TABLE_COUNT * sizeof(*tables), 8);

	tables[0] = (struct table){ { 0x71, 0xe8, 0x68, 0x88, 0xf1, 0xe4, 0xd3, 0x11,
				      0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81 },
				    acpi };
	tables[1] = (struct table){ { 0x8a, 0x91, 0x66, 0xeb, 0xef, 0x7e, 0x2a, 0x40,
				      0x84, 0x2e, 0x93, 0x1d, 0x21, 0xc3, 0x8a, 0xe9 },
				    put_copy(&services, sizeof(services), area) };
	return tables;
}

static struct system_table *make_system_table(const uint8_t *acpi, struct area *area)
{
	static const char vendor[] = "daxhound";
	struct system_table *system = take(area, sizeof(*system), 8);
	/* The kernel maps a hundred characters of it. */
	uint16_t *name = take(area, 100 * sizeof(*name), 8);

	for (size_t i = 0; i < sizeof(vendor); i++)
		name[i] = vendor[i];
	*system = (struct system_table){
		.signature = 0x5453595320494249, /* "IBI SYST" */
		.revision = 2 << 16 | 70,
		.header_bytes = sizeof(*system),
		.vendor = name,
		.table_count = TABLE_COUNT,
		.tables = make_tables(acpi, area),
	};
	return system;
}

/* The device tree that the kernel gets: one node, "chosen", so that the rest is ACPI's. */

#define TREE_BYTES 8192

struct writer {
	uint8_t *at;
	char *names, *next_name;
};

static void write_cell(struct writer *writer, uint32_t value)
{
	put_big(writer->at, value, 4);
	writer->at += 4;
}

static void write_property(struct writer *writer, const char *name, const void *value, size_t bytes)
{
	write_cell(writer, PROPERTY);
	write_cell(writer, bytes);
	write_cell(writer, writer->next_name - writer->names);
	memcpy(writer->at, value, bytes);
	writer->at += (bytes + 3) & -4UL;
	memcpy(writer->next_name, name, length(name) + 1);
	writer->next_name += length(name) + 1;
}

static void write_number(struct writer *writer, const char *name, uint64_t value, int bytes)
{
	uint8_t number[8];

	put_big(number, value, bytes);
	write_property(writer, name, number, bytes);
}

static void write_chosen(struct writer *writer, const struct range *initrd,
			 const struct system_table *system, const struct memory_map *map)
{
	write_number(writer, "linux,initrd-start", initrd->start, 8);
	write_number(writer, "linux,initrd-end", initrd->start + initrd->bytes, 8);
	write_number(writer, "linux,uefi-system-table", (uint64_t)system, 8);
	write_number(writer, "linux,uefi-mmap-start", (uint64_t)map->all, 8);
	write_number(writer, "linux,uefi-mmap-size", map->count * sizeof(map->all[0]), 4);
	write_number(writer, "linux,uefi-mmap-desc-size", sizeof(map->all[0]), 4);
	write_number(writer, "linux,uefi-mmap-desc-ver", 1, 4);
	/* Debian's kernels alone ask for it, and do without EFI where it is missing: "disabled". */
	write_number(writer, "linux,uefi-secure-boot", 2, 4);
}

static void write_header(uint8_t *tree, uint32_t structure, uint32_t names, uint32_t end)
{
	const uint32_t header[] = {
		0xd00dfeed, end, structure, names, 40, 17, 16, 0, end - names, names - structure,
	};

	for (int i = 0; i < 10; i++)
		put_big(tree + 4 * i, header[i], 4);
}

static uint8_t *make_tree(const char *arguments, const struct range *initrd,
			  const struct system_table *system, const struct memory_map *map,
			  struct area *tables)
{
	size_t bytes = length(arguments) + 1;
	uint8_t *tree = take(tables, TREE_BYTES + bytes, 8);
	char *names = take(tables, TREE_BYTES, 8);
	/* After the header, an empty list of reserved memory. */
	struct writer writer = { tree + 56, names, names };

	write_cell(&writer, BEGIN_NODE);
	write_cell(&writer, 0); /* the root's empty name */
	write_number(&writer, "#address-cells", 2, 4);
	write_number(&writer, "#size-cells", 2, 4);
	write_cell(&writer, BEGIN_NODE);
	memcpy(writer.at, "chosen\0", 8);
	writer.at += 8;
	write_property(&writer, "bootargs", arguments, bytes);
	write_chosen(&writer, initrd, system, map);
	write_cell(&writer, END_NODE);
	write_cell(&writer, END_NODE);
	write_cell(&writer, END);
	write_header(tree, 56, writer.at - tree, writer.at - tree + (writer.next_name - names));
	memcpy(writer.at, names, writer.next_name - names);
	return tree;
}

/* Where the kernel's header says that it ends, BSS and all (booting.rst, "image_size"). */
static uint64_t load_kernel(void)
{
	read_item(KERNEL_DATA, (void *)KERNEL, read_number(KERNEL_SIZE));
	if (get((void *)(KERNEL + 56), 4) != 0x644d5241)
		stop("the kernel is no Image of arm64");
	return KERNEL + get((void *)(KERNEL + 16), 8);
}

static void load_initrd(const struct range *initrd, const struct ranges *memory)
{
	if (initrd->start + initrd->bytes > RAM + memory->all[0].bytes)
		stop("kernel and initrd take more RAM than there is");
	read_item(INITRD_DATA, (void *)initrd->start, initrd->bytes);
}

void start(void)
{
	struct area tables = { TABLES, WRITABLE }, writable = { WRITABLE, KERNEL };
	struct files *files = take(&tables, sizeof(*files), 8);
	struct ranges memory = { .count = 0 };
	struct range initrd = { (load_kernel() + 0x1fffff) & -0x200000UL, read_number(INITRD_SIZE) };
	uint32_t bytes = read_number(CMDLINE_SIZE);
	char *arguments = take(&tables, bytes + 1, 8);
	uint8_t *acpi;

	read_memory((const uint8_t *)RAM, &memory);
	load_initrd(&initrd, &memory);
	read_item(CMDLINE_DATA, arguments, bytes);
	arguments[bytes] = 0;
	for (uint32_t i = 0; i < FILES; i++)
		files->contents[i] = NULL;
	read_directory(files);
	acpi = load_tables(files, &tables, &writable);
	enter((uint64_t)make_tree(arguments, &initrd, make_system_table(acpi, &tables),
				  make_memory_map(&memory, &tables), &tables),
	      KERNEL);
}
