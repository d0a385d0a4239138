// The hot loops of a packed encoder, one table of functions per instruction set, chosen once at start.
//
// All matrices are row-major fp32 and dense (leading dimension = number of columns). Rows are tokens.
// Every kernel computes a row (attention: a sequence) from that row alone, always in the same order of
// operations, so a result never depends on what else is in the call: this is what makes scores bit-identical
// in any batch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "linear.h"

namespace crossrank::kernels {

constexpr size_t kMaxHeadSize = 256;

// Rows of a search have so many columns, or a multiple: the last ones are zeros.
constexpr size_t kDotColumns = 32;

enum class Activation : int32_t {
  kGeluErf = 0,   // x * Phi(x), exact ("gelu")
  kGeluTanh = 1,  // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) ("gelu_new", "gelu_pytorch_tanh")
  kRelu = 2,
  kTanh = 3,
};

enum class TableType : int32_t { kF32 = 0, kF16 = 1, kBf16 = 2, kI8 = 3 };

// A row-major table [rows, columns]; for kI8 a value is int8 * scale[row].
struct RowTable {
  const void* values = nullptr;
  const float* scales = nullptr;  // [rows], kI8 only
  TableType type = TableType::kF32;
  size_t rows = 0;
};

// out[t] = LayerNorm(words[ids[t]] + positions[position_ids[t]] + types[type_ids[t]])
struct EmbeddingArgs {
  const int32_t* ids;           // [tokens], already checked against words.rows
  const int32_t* position_ids;  // [tokens]
  const int32_t* type_ids;      // [tokens], or null where the model has no token types
  RowTable words, positions, types;
  const float* gamma;  // [columns]
  const float* beta;   // [columns]
  float epsilon;
  float* out;  // [tokens, columns]
  size_t tokens, columns;
};

// Softmax(Q K^T / sqrt(head_size)) V per sequence and head, without padding.
// The biases of the projections of Q and V are added here, where both are read anyway. That of K is not
// needed: it adds the same to all scores of a query, which softmax does not see.
struct AttentionArgs {
  // q [query rows], k and v [tokens], heads * head_size values each. Rows are strides apart, in floats, so
  // that the three may be columns of one wider matrix.
  const float *q, *k, *v;
  size_t q_stride, kv_stride;
  const float *q_bias, *v_bias;  // [heads * head_size] each
  // Sequence s owns tokens [offsets[s], offsets[s + 1]). With one_query its single query is row s of q and
  // out (the last layer needs one token alone: the first, or the last); else its queries are the same rows as
  // its tokens.
  const int32_t* offsets;  // [sequences + 1]
  size_t sequences;
  bool one_query;
  size_t heads, head_size;  // head_size at most kMaxHeadSize
  float* out;               // [query rows, heads * head_size]; may be q, if q is dense
  // attention_workspace_floats(longest sequence, head_size) floats
  float* workspace;
};

struct KernelTable {
  const char* name;  // its level, such as "avx512"
  void (*embed)(const EmbeddingArgs& args);
  void (*attention)(const AttentionArgs& args);
  size_t (*attention_workspace_floats)(size_t longest_sequence, size_t head_size);
  // out[r][c] = activation(x[r][c] + bias[c]); out may be x.
  void (*bias_activation)(const float* x, const float* bias, float* out, size_t rows, size_t columns,
                          Activation activation);
  // out[r] = LayerNorm(x[r] + bias + residual[r]) * gamma + beta; out may be x or residual.
  void (*bias_residual_layer_norm)(const float* x, const float* bias, const float* residual,
                                   const float* gamma, const float* beta, float epsilon, float* out,
                                   size_t rows, size_t columns);
  // Any table row range to fp32 (weights of a checkpoint in F16, BF16 or int8 rows).
  void (*to_float)(const RowTable& table, size_t first_row, size_t row_count, size_t columns, float* out);
  // Encoded rows (linear.h): x [rows, columns] to out, RowStride(format, columns) apart.
  void (*encode)(const float* x, size_t rows, size_t columns, Format format, uint8_t* out);
  // What follows the product, for int8 products computed elsewhere: x W^T as whole numbers [rows, outputs],
  // where args.x holds the rows for their scales, and weights.panels and weights.compensation are not read.
  void (*finish_int8)(const LinearArgs& args, const int32_t* products);
  // Dot products of the rows of a search (dot.h). out[r] = query . rows[r]; products are exact and added up
  // in double, in an order that is the same in every table, so that all give the same bits. columns: a
  // multiple of kDotColumns.
  void (*dot_double)(const double* query, const float* rows, size_t count, size_t columns, double* out);
  // out[q * count + r] = queries[q] . rows[r], exactly: the caller sees to it that no sum leaves int32.
  void (*dot_int8)(const int16_t* queries, size_t query_count, const int8_t* rows, size_t count,
                   size_t columns, int32_t* out);
  AttentionBf16Kernel attention_bf16;
  // Without a run function where the table has no kernel of ours.
  LinearKernel linear_fp32, linear_bf16, linear_bf16x3, linear_int8;
  const char* base;  // what the fp32 functions are compiled for: "generic", "avx2" or "avx512"
};

// Tables come in levels, each for CPUs that have certain features (cpu.cc): generic, avx2, avxvnni, avx512,
// vnni, bf16 and amx. What a table calls belongs to its level.

// The fastest table that this CPU and operating system can run, or the one of the level that the environment
// variable CROSSRANK_CPU names; decided on first use.
const KernelTable& Kernels();

// The table of a level, or null where this CPU cannot run it or there is no such level.
const KernelTable* FindKernels(const char* level);

// The tables of all levels that this CPU can run, fastest first (for tests and the bench). Null-terminated.
const KernelTable* const* AvailableKernels();

// The table's kernel for a weight format; without a run function where it has none.
const LinearKernel& LinearFor(const KernelTable& table, Format format);

// The names of all levels, also of those that this CPU cannot run, weakest first. Null-terminated.
const char* const* KernelLevels();

// Whether this CPU multiplies bf16 much faster than fp32. AMD's Zen 4 and 5 do so twice as fast, Intel's
// Sapphire Rapids half as fast (outside of AMX, which this is not about). Measured on first use, well under a
// millisecond.
bool Bf16BeatsFp32();

// What the CPU offers, for people: for example "avx2 fma f16c avx512f avx512bw avx512vnni avx512bf16
// amx-int8".
const char* CpuFeatures();

}  // namespace crossrank::kernels
