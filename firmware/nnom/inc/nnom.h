/* SPDX-License-Identifier: Apache-2.0
 * NNoM API 0.4.3: everything a user's program needs. */
#ifndef NNOM_H
#define NNOM_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "nnom_port.h"

/* A port header from NNoM itself knows nothing of these. */
#ifndef NNOM_COMPAT_043
#define NNOM_COMPAT_043 0
#endif
#ifndef NNOM_MEMORY_PLAN
#define NNOM_MEMORY_PLAN (!NNOM_COMPAT_043)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Alignment of every allocation and of every block size. */
#define NNOM_ALIGN (sizeof(char *))

#define q7_t int8_t
#define q15_t int16_t
#define q31_t int32_t
#define q63_t int64_t

#define NNOM_MAJORVERSION 0
#define NNOM_SUBVERSION 4
#define NNOM_REVISION 3
#define NNOM_VERSION (NNOM_MAJORVERSION * 10000 + NNOM_SUBVERSION * 100 + NNOM_REVISION)

#ifdef ARM_NN_TRUNCATE
#define NNOM_TRUNCATE
#endif

/* Added before an arithmetic right shift by out_shift: round half up, or floor. */
#ifndef NNOM_TRUNCATE
#define NNOM_ROUND(out_shift) ((0x1 << (out_shift)) >> 1)
#else
#define NNOM_ROUND(out_shift) (0 * (out_shift))
#endif

typedef enum {
    NN_SUCCESS = 0,
    NN_ARGUMENT_ERROR = -1,
    NN_LENGTH_ERROR = -2,
    NN_SIZE_MISMATCH = -3,
    NN_NANINF = -4,
    NN_SINGULAR = -5,
    NN_TEST_FAILURE = -6,
    NN_NO_MEMORY = -7,
    NN_MORE_TODO = -8
} nnom_status_t;

typedef enum {
    NNOM_INVALID = 0,
    NNOM_BASE,
    NNOM_INPUT,
    NNOM_OUTPUT,
    NNOM_CONV_2D,
    NNOM_DW_CONV_2D,
    NNOM_CONV2D_TRANS,
    NNOM_BATCHNORM,
    NNOM_DENSE,
    NNOM_ZERO_PADDING,
    NNOM_CROPPING,
    NNOM_RNN,
    NNOM_ACTIVATION,
    NNOM_RELU,
    NNOM_LEAKY_RELU,
    NNOM_ADV_RELU,
    NNOM_SIGMOID,
    NNOM_TANH,
    NNOM_SOFTMAX,
    NNOM_MAXPOOL,
    NNOM_GLOBAL_MAXPOOL,
    NNOM_AVGPOOL,
    NNOM_GLOBAL_AVGPOOL,
    NNOM_SUMPOOL,
    NNOM_GLOBAL_SUMPOOL,
    NNOM_UPSAMPLE,
    NNOM_FLATTEN,
    NNOM_RESHAPE,
    NNOM_LAMBDA,
    NNOM_CONCAT,
    NNOM_ADD,
    NNOM_SUB,
    NNOM_MULT,
    NNOM_TYPE_MAX
} nnom_layer_type_t;

#define DEFUALT_LAYER_NAMES                                                                        \
    {                                                                                              \
        "Unknown", "Base", "Input", "Output", "Conv2D", "DW_Conv2D", "Conv2DTrsp", "BatchNorm",    \
            "Dense", "ZeroPad", "Cropping", "RNN", "Activation", "ReLU", "Leaky_ReLU", "Adv_ReLU", \
            "Sigmoid", "Tanh", "Softmax", "MaxPool", "GL_MaxPool", "AvgPool", "GL_AvgPool",        \
            "SumPool", "GL_SumPool", "UpSample", "Flatten", "Reshape", "Lambda", "Concat", "Add",  \
            "Sub", "Mult"                                                                          \
    }
extern const char default_layer_names[][12];

typedef enum {
    ACT_UNKNOWN = 0,
    ACT_RELU,
    ACT_LEAKY_RELU,
    ACT_ADV_RELU,
    ACT_TANH,
    ACT_SIGMOID,
    ACT_HARD_TANH,
    ACT_HARD_SIGMOID
} nnom_activation_type_t;

#define ACTIVATION_NAMES                                                                        \
    {                                                                                           \
        "Unknown", "ReLU", "LkyReLU", "AdvReLU", "TanH", "Sigmoid", "HrdTanH", "HrdSigd"        \
    }
extern const char default_activation_names[][8];

typedef enum {
    NNOM_UNKOWN_CELL = 0,
    NNOM_SIMPLE_CELL,
    NNOM_GRU_CELL,
    NNOM_LSTM_CELL,
    NNOM_CELL_TYPE_MAX
} nnom_rnn_cell_type_t;

#define DEFUALT_CELL_NAMES                  \
    {                                       \
        "Unknown", "Simple", "GRU", "LSTM"  \
    }
extern const char default_cell_names[][8];

typedef enum { PADDING_VALID = 0, PADDING_SAME } nnom_padding_t;

/* Kinds of io buffer: NULL is in place, TEMP is released once its consumers have run. */
#define NNOM_TENSOR_BUF_NULL (0)
#define NNOM_TENSOR_BUF_TEMP (1)
#define NNOM_TENSOR_BUF_RESERVED (2)

#define NNOM_BUF_EMPTY (0)
#define NNOM_BUF_FILLED (1)

#define nnom_qformat_param_t int32_t
#define nnom_shape_data_t uint16_t

typedef struct _nnom_3d_shape_t {
    nnom_shape_data_t h, w, c;
} nnom_3d_shape_t;

typedef struct _nnom_border_t {
    nnom_shape_data_t top, bottom, left, right;
} nnom_border_t;

typedef union {
    nnom_3d_shape_t s;
    nnom_shape_data_t axis[3];
} nnom_3d_shape_axis_t;

/* shift: right shift of the layer's output. */
typedef struct _nnom_weights {
    const void *p_value;
    nnom_qformat_param_t shift;
} nnom_weight_t;

/* shift: left shift of the bias. */
typedef struct _nnom_bias {
    const void *p_value;
    nnom_qformat_param_t shift;
} nnom_bias_t;

typedef struct _nnom_model nnom_model_t;

#include "nnom_tensor.h"

typedef struct _nnom_mem_block_t nnom_mem_block_t;
typedef struct _nnom_buf nnom_buf_t;
typedef struct _nnom_layer_t nnom_layer_t;
typedef struct _nnom_layer_io_t nnom_layer_io_t;
typedef struct _nnom_layer_hook_t nnom_layer_hook_t;
typedef struct _nnom_activation_t nnom_activation_t;

/* size in bytes; type: one of NNOM_TENSOR_BUF_*. */
struct _nnom_buf {
    nnom_mem_block_t *mem;
    size_t size;
    uint8_t type;
};

/* One of the model's shared buffers. owners: who still needs its content. */
struct _nnom_mem_block_t {
    void *blk;
    size_t size;
    uint8_t owners;
    uint8_t state;
};

/* macc: multiply-accumulates of one run; time: microseconds of the last run. */
typedef struct _nnom_stat_t {
    size_t macc;
    uint32_t time;
} nnom_layer_stat_t;

struct _nnom_layer_hook_t {
    nnom_layer_io_t *io;
    nnom_layer_hook_t *next;
};

struct _nnom_layer_io_t {
    nnom_layer_hook_t hook;
    nnom_layer_io_t *aux;
    nnom_tensor_t *tensor;
    nnom_mem_block_t *mem;
    nnom_layer_t *owner;
    uint8_t type;
};

/* What C++ demands of headers that C takes as they are: names are literals, and fields that NNoM does
 * not have are 0 where a header does not name them. */
#ifdef __cplusplus
#define NNOM_NAME const char
#else
#define NNOM_NAME char
#endif
#if defined(__cplusplus) && __cplusplus >= 201402L
#define NNOM_OR_ZERO = 0
#else
#define NNOM_OR_ZERO
#endif

typedef struct _nnom_layer_config_t {
    NNOM_NAME *name;
} nnom_layer_config_t;

struct _nnom_layer_t {
    nnom_layer_t *shortcut; /* the next layer in run order */
    nnom_status_t (*run)(nnom_layer_t *layer);
    nnom_status_t (*build)(nnom_layer_t *layer);
    nnom_status_t (*free)(nnom_layer_t *layer);
    nnom_buf_t *comp;
    nnom_activation_t *actail;
    nnom_layer_config_t *config;
    nnom_layer_type_t type;
    bool is_declared : 1; /* nnom_layer_set_dec() was called */
    bool knows_dec : 1;   /* the output's q_dec is true: the layer API does not tell formats */
    bool fuses_relu : 1;  /* the kernel clamps at zero: nothing is left to actail */
    int16_t dec;          /* fraction bits of the output, if declared */
    nnom_layer_io_t *in;
    nnom_layer_io_t *out;
    nnom_layer_stat_t stat;
    uint16_t scratch_words; /* of four bytes, that the kernel asked for at build */
    uint8_t spare_block;    /* one more than the number of a block that is free meanwhile; 0: none */
    void *scratch;          /* for the time of a run; NULL: the kernel does without */
};

struct _nnom_activation_t {
    nnom_status_t (*run)(struct _nnom_activation_t *act);
    nnom_tensor_t *tensor;
    nnom_activation_type_t type;
};

#include "nnom_layers.h"
#include "nnom_local.h"
#include "nnom_utils.h"

struct _nnom_model {
    nnom_layer_t *head;
    nnom_layer_t *tail;

    nnom_status_t (*add)(struct _nnom_model *m, nnom_layer_t *layer);
    nnom_layer_t *(*hook)(nnom_layer_t *curr, nnom_layer_t *last);
    nnom_layer_t *(*merge)(nnom_layer_t *method, nnom_layer_t *in1, nnom_layer_t *in2);
    nnom_layer_t *(*mergex)(nnom_layer_t *method, int num, ...);
    nnom_layer_t *(*active)(nnom_activation_t *act, nnom_layer_t *target_layer);
    nnom_status_t (*layer_callback)(nnom_model_t *m, nnom_layer_t *layer);

    nnom_mem_block_t blocks[NNOM_BLOCK_NUM];
    size_t total_ops;
    bool is_inited;
    bool is_allocated;
    void *buffer; /* all tensors and scratch */
    size_t buffer_size;
    nnom_layer_t *views; /* what active() returned and is now a tail */
};

#define NNOM_NULL_CHECK(p)                     \
    if ((p) == NULL) {                         \
        NNOM_LOG("Error: NULL object.\n");     \
        return NN_ARGUMENT_ERROR;              \
    }

/* value rounded up to a multiple of alignment. */
size_t nnom_alignto(size_t value, uint32_t alignment);
size_t nnom_io_length(nnom_layer_io_t *io);
size_t nnom_hook_length(nnom_layer_hook_t *hook);

/* Zeroed memory of size bytes, rounded up to NNOM_ALIGN; NULL when there is none. */
void *nnom_mem(size_t size);
/* Bytes handed out by nnom_mem since the last model_delete(). */
size_t nnom_mem_stat(void);
#ifdef NNOM_USING_STATIC_MEMORY
void nnom_set_static_buf(void *buf, size_t size);
void *nnom_malloc(size_t size);
void nnom_free(void *p);
#endif

/* m NULL: the model is allocated. NULL when that fails. */
nnom_model_t *new_model(nnom_model_t *m);
nnom_status_t sequencial_compile(nnom_model_t *m);
/* Builds the graph from input to output (NULL: the last layer), assigns memory and prints the
 * table. Errors of any layer's build are returned; the model must not be run then. */
nnom_status_t model_compile(nnom_model_t *m, nnom_layer_t *input, nnom_layer_t *output);
nnom_status_t model_run(nnom_model_t *m);
/* As model_run, but stops after end_layer (NULL: runs all). */
nnom_status_t model_run_to(nnom_model_t *m, nnom_layer_t *end_layer);
nnom_status_t layer_run(nnom_layer_t *layer);
void model_delete(nnom_model_t *m);
/* NN_SUCCESS, or +1 and a warning when the versions differ. */
nnom_status_t check_model_version(unsigned long model_version);
/* The callback runs after each layer. NN_LENGTH_ERROR if another one is set already. */
nnom_status_t model_set_callback(nnom_model_t *m, nnom_status_t (*layer_callback)(nnom_model_t *m,
                                                                                 nnom_layer_t *layer));
void model_delete_callback(nnom_model_t *m);

/* Bytes of the network buffer that a compiled model uses; the compile log tells what NNoM's blocks
 * would take. 0 for a model that is not compiled. */
size_t model_buffer_size(const nnom_model_t *m);

/* Steps of model_compile, kept callable. */
nnom_status_t compile_layers(nnom_layer_t *first, nnom_layer_t *curr, nnom_mem_block_t *block_pool,
                             uint32_t *layer_count);
size_t mem_analysis_result(nnom_model_t *m);
nnom_status_t block_mem_set(nnom_model_t *m, void *buf);
nnom_status_t tensor_mem_set(nnom_model_t *m);
nnom_status_t set_tailed_activation(nnom_model_t *m);

#ifdef __cplusplus
}
#endif

#endif
