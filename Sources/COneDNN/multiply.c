// SPDX-License-Identifier: Apache-2.0
// Products by oneDNN's C interface, of version 2 (Debian 12) or 3.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "COneDNN.h"

/// Products that a thread keeps; a power of two. A full table is emptied: lengths that change from
/// step to step must not fill the memory with machine code.
#define SLOT_COUNT 4096
#define ENTRIES_MAX 2048

typedef struct {
    AccordProduct product;
    bool is_used;
    dnnl_primitive_t primitive;
    dnnl_memory_t memories[5];  // left, right, target, bias, scratch
} Entry;

typedef struct {
    dnnl_stream_t stream;
    void *scratch;
    size_t scratch_bytes;
    int entry_count;
    Entry entries[SLOT_COUNT];
} Table;

static dnnl_engine_t engine;
static dnnl_status_t engine_status;
static pthread_key_t table_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void empty(Table *table) {
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        Entry *entry = &table->entries[slot];
        if (!entry->is_used) continue;
        for (int i = 0; i < 5; i++)
            if (entry->memories[i]) dnnl_memory_destroy(entry->memories[i]);
        dnnl_primitive_destroy(entry->primitive);
        entry->is_used = false;
    }
    table->entry_count = 0;
}

static void destroy(void *pointer) {
    Table *table = pointer;
    empty(table);
    dnnl_stream_destroy(table->stream);
    free(table->scratch);
    free(table);
}

static void start(void) {
    engine_status = dnnl_engine_create(&engine, dnnl_cpu, 0);
    pthread_key_create(&table_key, destroy);
}

/// A lane runs on one thread: OpenMP, if oneDNN was built with it, must not start others. The
/// setting belongs to the calling thread.
static void stay_on_this_thread(void) {
    void (*set_thread_count)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    if (set_thread_count) set_thread_count(1);
}

static Table *own_table(void) {
    pthread_once(&once, start);
    Table *table = pthread_getspecific(table_key);
    if (table || engine_status != dnnl_success) return table;
    stay_on_this_thread();
    table = calloc(1, sizeof *table);
    if (!table) return NULL;
    if (dnnl_stream_create(&table->stream, engine, dnnl_stream_default_flags) != dnnl_success) {
        free(table);
        return NULL;
    }
    pthread_setspecific(table_key, table);
    return table;
}

// MARK: - Versions 2 and 3

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t OwnedDescription;
typedef const_dnnl_memory_desc_t BorrowedDescription;
#else
typedef dnnl_memory_desc_t OwnedDescription;
typedef const dnnl_memory_desc_t *BorrowedDescription;
#endif

static dnnl_status_t describe(OwnedDescription *description, const AccordMatrix *matrix,
                              int64_t count) {
    dnnl_dims_t sizes = {count, matrix->rows, matrix->columns};
    dnnl_dims_t strides = {matrix->stack_stride, matrix->row_stride, matrix->column_stride};
    dnnl_data_type_t type = matrix->element == ACCORD_BFLOAT16 ? dnnl_bf16 : dnnl_f32;
    // One matrix has kernels that stacks do not have.
    int skipped = count == 1 ? 1 : 0;
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_strides(description, 3 - skipped, sizes + skipped, type,
                                                strides + skipped);
#else
    return dnnl_memory_desc_init_by_strides(description, 3 - skipped, sizes + skipped, type,
                                            strides + skipped);
#endif
}

static BorrowedDescription borrow(const OwnedDescription *description) {
#if DNNL_VERSION_MAJOR >= 3
    return *description;
#else
    return description;
#endif
}

static void forget(OwnedDescription *description) {
#if DNNL_VERSION_MAJOR >= 3
    dnnl_memory_desc_destroy(*description);
#else
    (void)description;
#endif
}

/// scale * sum + keep * target, and memory of ours for oneDNN to work in.
static dnnl_status_t set_attributes(dnnl_primitive_attr_t attributes, float scale, float keep) {
    dnnl_status_t status =
        dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    // Else an environment variable could let f32 be computed in bfloat16.
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_fpmath_mode(attributes, dnnl_fpmath_mode_strict);
    dnnl_post_ops_t operations = NULL;
    if (status == dnnl_success) status = dnnl_post_ops_create(&operations);
#if DNNL_VERSION_MAJOR >= 3
    if (status == dnnl_success && scale != 1.0f)
        status = dnnl_post_ops_append_eltwise(operations, dnnl_eltwise_linear, scale, 0.0f);
    if (status == dnnl_success && keep != 0.0f)
        status = dnnl_post_ops_append_sum(operations, keep, 0, dnnl_data_type_undef);
#else
    if (status == dnnl_success && scale != 1.0f)
        status = dnnl_primitive_attr_set_output_scales(attributes, 1, 0, &scale);
    if (status == dnnl_success && keep != 0.0f)
        status = dnnl_post_ops_append_sum(operations, keep);
#endif
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(attributes, operations);
    dnnl_post_ops_destroy(operations);
    return status;
}

static dnnl_status_t create_description(dnnl_primitive_desc_t *result,
                                        const OwnedDescription *matrices, bool has_bias,
                                        dnnl_primitive_attr_t attributes) {
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_matmul_primitive_desc_create(result, engine, matrices[0], matrices[1],
                                             has_bias ? matrices[3] : NULL, matrices[2],
                                             attributes);
#else
    dnnl_matmul_desc_t operation;
    dnnl_status_t status =
        dnnl_matmul_desc_init(&operation, &matrices[0], &matrices[1],
                              has_bias ? &matrices[3] : NULL, &matrices[2]);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(result, &operation, attributes, engine, NULL);
#endif
}

// MARK: - Table

static dnnl_status_t reserve_scratch(Table *table, size_t bytes) {
    if (bytes <= table->scratch_bytes) return dnnl_success;
    free(table->scratch);
    table->scratch_bytes = (bytes + 4095) / 4096 * 4096;
    table->scratch = aligned_alloc(4096, table->scratch_bytes);
    if (table->scratch) return dnnl_success;
    table->scratch_bytes = 0;
    return dnnl_out_of_memory;
}

static dnnl_status_t build(Table *table, Entry *entry, const OwnedDescription *matrices) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t description = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attributes);
    if (status == dnnl_success)
        status = set_attributes(attributes, entry->product.scale, entry->product.keep);
    if (status == dnnl_success)
        status = create_description(&description, matrices, entry->product.has_bias, attributes);
    if (status == dnnl_success) status = dnnl_primitive_create(&entry->primitive, description);
    int matrix_count = entry->product.has_bias ? 4 : 3;
    for (int i = 0; i < matrix_count && status == dnnl_success; i++)
        status = dnnl_memory_create(&entry->memories[i], borrow(&matrices[i]), engine,
                                    DNNL_MEMORY_NONE);
    if (status == dnnl_success) {
        BorrowedDescription scratch =
            dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
        status = reserve_scratch(table, dnnl_memory_desc_get_size(scratch));
        if (status == dnnl_success)
            status = dnnl_memory_create(&entry->memories[4], scratch, engine, DNNL_MEMORY_NONE);
    }
    dnnl_primitive_desc_destroy(description);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

static dnnl_status_t create(Table *table, Entry *entry, const AccordProduct *product) {
    memset(entry, 0, sizeof *entry);
    memcpy(&entry->product, product, sizeof *product);  // with its padding
    const AccordMatrix bias = {.element = ACCORD_FLOAT32, .rows = 1,
                               .columns = product->target.columns,
                               .row_stride = product->target.columns, .column_stride = 1};
    const AccordMatrix *parts[4] = {&product->left, &product->right, &product->target, &bias};
    OwnedDescription matrices[4];
    int described = 0, count = product->has_bias ? 4 : 3;
    dnnl_status_t status = dnnl_success;
    while (described < count && status == dnnl_success) {
        status = describe(&matrices[described], parts[described], product->count);
        if (status == dnnl_success) described++;
    }
    if (status == dnnl_success) status = build(table, entry, matrices);
    while (described > 0) forget(&matrices[--described]);
    if (status == dnnl_success) {
        entry->is_used = true;
        table->entry_count++;
        return status;
    }
    for (int i = 0; i < 5; i++)
        if (entry->memories[i]) dnnl_memory_destroy(entry->memories[i]);
    if (entry->primitive) dnnl_primitive_destroy(entry->primitive);
    return status;
}

/// FNV-1a over the bytes of a key, whose padding `find` has zeroed.
static size_t slot_of(const AccordProduct *product) {
    uint64_t words[sizeof *product / 8];
    memcpy(words, product, sizeof words);
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        hash = (hash ^ words[i]) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    return hash & (SLOT_COUNT - 1);
}

static void copy_fields(AccordMatrix *target, const AccordMatrix *source) {
    target->element = source->element;
    target->rows = source->rows;
    target->columns = source->columns;
    target->stack_stride = source->stack_stride;
    target->row_stride = source->row_stride;
    target->column_stride = source->column_stride;
}

static Entry *find(Table *table, const AccordProduct *product, dnnl_status_t *status) {
    AccordProduct key;
    memset(&key, 0, sizeof key);  // padding takes part in the comparison
    key.count = product->count;
    copy_fields(&key.left, &product->left);
    copy_fields(&key.right, &product->right);
    copy_fields(&key.target, &product->target);
    key.scale = product->scale;
    key.keep = product->keep;
    key.has_bias = product->has_bias;
    size_t slot = slot_of(&key);
    while (table->entries[slot].is_used) {
        if (memcmp(&table->entries[slot].product, &key, sizeof key) == 0)
            return &table->entries[slot];
        slot = (slot + 1) & (SLOT_COUNT - 1);
    }
    if (table->entry_count >= ENTRIES_MAX) {
        empty(table);
        slot = slot_of(&key);
    }
    *status = create(table, &table->entries[slot], &key);
    return *status == dnnl_success ? &table->entries[slot] : NULL;
}

int accord_onednn_multiply(const AccordProduct *product, const void *left, const void *right,
                           const float *bias, void *target) {
    Table *table = own_table();
    if (!table) return engine_status != dnnl_success ? engine_status : dnnl_out_of_memory;
    dnnl_status_t status = dnnl_success;
    Entry *entry = find(table, product, &status);
    if (!entry) return status;
    const int names[5] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS,
                          DNNL_ARG_SCRATCHPAD};
    void *handles[5] = {(void *)left, (void *)right, target, (void *)bias, table->scratch};
    dnnl_exec_arg_t arguments[5];
    int count = 0;
    for (int i = 0; i < 5 && status == dnnl_success; i++) {
        if (!entry->memories[i]) continue;
        status = dnnl_memory_set_data_handle(entry->memories[i], handles[i]);
        arguments[count++] = (dnnl_exec_arg_t){names[i], entry->memories[i]};
    }
    if (status != dnnl_success) return status;
    status = dnnl_primitive_execute(entry->primitive, table->stream, count, arguments);
    return status == dnnl_success ? dnnl_stream_wait(table->stream) : status;
}

// MARK: - Description

const char *accord_onednn_failure(int status) {
    switch (status) {
        case dnnl_out_of_memory: return "it is out of memory";
        case dnnl_invalid_arguments: return "the shapes do not fit";
        case dnnl_unimplemented: return "this processor or version has no kernel for it";
        default: return "it failed at run time";
    }
}

/// The bit that AVX-512 adds to the set of AVX2, in both versions.
static bool has_isa(dnnl_cpu_isa_t isa) {
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) == (unsigned)isa;
}

bool accord_onednn_is_fast_f32(void) { return has_isa(dnnl_cpu_isa_avx512_core); }

bool accord_onednn_is_fast_bf16(void) { return has_isa(dnnl_cpu_isa_avx512_core_bf16); }

const char *accord_onednn_description(void) {
    static char text[64];
    const dnnl_version_t *version = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d isa 0x%x", version->major, version->minor,
             version->patch, (unsigned)dnnl_get_effective_cpu_isa());
    return text;
}
