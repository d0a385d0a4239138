// The fused Linear: y = x W^T + bias, and what follows it, in one call.
//
// Activations are rows in the format that the product reads ("encoded"):
//
//   kFp32     columns as they are, then zeros up to a k-step of 32
//   kBf16     columns as bf16, then zeros up to a k-step of 32
//   kBf16x3   each k-step of 32 columns as 32 high halves, then 32 low halves: x = high + low + rest, both
//   bf16.
//             The product adds high*high + high*low + low*high, which leaves an error of about 2^-17.
//   kInt8     columns as u8 = round(x / scale) + 128, then 128s up to a k-step of 64; after that the row's
//   scale,
//             a float, at ScaleOffset(columns). scale = max |x| / 127; 1 for a row of zeros; NaN where the
//             row holds NaN or infinity, so that the result is NaN and not a number that looks right.
//
// A row starts on a 64-byte line and takes an odd number of lines (RowStride), so that rows which are read
// side by side never share their cache sets. Buffers of rows are 64-byte aligned.
//
// Weights are panels of 32 outputs. A panel is one k-step after the other; a k-step is two tiles of 16 rows x
// 64 bytes, for outputs 0-15 and 16-31 of the panel (kBf16x3: four, high 0-15, high 16-31, low 0-15, low
// 16-31; kFp32: four, two for inputs 0-15 of the k-step, two for inputs 16-31). Row p, 32-bit word c of a
// tile is the weights of output c for inputs p*E .. p*E+E-1 of the k-step: E = 1 fp32, 2 bf16 or 4 int8. That
// is what AMX multiplies by; one row is also the operand of vdpbf16ps and vpdpbusd (two of AVX-VNNI), so one
// packing serves every instruction set. Outputs past the last and inputs past the last are zeros.
#pragma once

#include <cstddef>
#include <cstdint>

namespace crossrank::kernels {

enum class Activation : int32_t;

enum class Format : int32_t { kBf16 = 0, kBf16x3 = 1, kInt8 = 2, kFp32 = 3 };

constexpr size_t kLineBytes = 64;
constexpr size_t kPanelOutputs = 32;

// Inputs of one k-step, and the bytes that they take in a row of activations and in a panel.
constexpr size_t StepInputs(Format format) { return format == Format::kInt8 ? 64 : 32; }
constexpr bool TwoLinesAStep(Format format) { return format == Format::kBf16x3 || format == Format::kFp32; }
constexpr size_t StepRowBytes(Format format) { return TwoLinesAStep(format) ? 128 : 64; }
constexpr size_t StepPanelBytes(Format format) { return TwoLinesAStep(format) ? 4096 : 2048; }

constexpr size_t Steps(Format format, size_t inputs) {
  return (inputs + StepInputs(format) - 1) / StepInputs(format);
}
constexpr size_t PanelBytes(Format format, size_t inputs) {
  return Steps(format, inputs) * StepPanelBytes(format);
}
constexpr size_t Panels(size_t outputs) { return (outputs + kPanelOutputs - 1) / kPanelOutputs; }

// Of kInt8 rows, in bytes.
constexpr size_t ScaleOffset(size_t columns) { return Steps(Format::kInt8, columns) * 64; }
constexpr size_t RowStride(Format format, size_t columns) {
  const size_t lines = Steps(format, columns) * StepRowBytes(format) / kLineBytes;
  return ((format == Format::kInt8 ? lines + 1 : lines) | 1) * kLineBytes;
}

// A packed weight. Everything is 64-byte aligned.
struct LinearWeights {
  Format format;
  size_t outputs, inputs;
  const uint8_t* panels;        // [Panels(outputs)] of PanelBytes(format, inputs)
  const float* bias;            // [Panels(outputs) * 32], zeros past the last
  const float* scales;          // kInt8: weight = int8 * scales[output]; [Panels(outputs) * 32]
  const int32_t* compensation;  // kInt8: -128 * sum of an output's int8 weights; [Panels(outputs) * 32]
};

// y = x W^T + bias; where asked for, y = activation(y), or y = LayerNorm(y + residual) * gamma + beta.
struct LinearArgs {
  LinearWeights weights;
  const uint8_t* x;  // [rows] encoded in weights.format, RowStride(weights.format, weights.inputs) apart
  size_t rows;
  bool has_activation;
  Activation activation;
  const float* residual;  // [rows, outputs], or null: no LayerNorm; never together with an activation
  const float *gamma, *beta;
  float epsilon;
  // y goes to either or both.
  float* out;        // [rows, outputs], or null; may be residual
  uint8_t* encoded;  // [rows], RowStride(encoded_format, outputs) apart, or null
  Format encoded_format;
  float* workspace;  // 64-byte aligned, workspace_floats(weights, rows)
};

// finish_int8 (kernels.h) takes a workspace of so many rows of outputs, each rounded up to a line.
constexpr size_t kFinishRows = 8;

struct LinearKernel {
  const char* name = nullptr;  // such as "avx512-vnni"
  void (*run)(const LinearArgs& args) = nullptr;
  size_t (*workspace_floats)(const LinearWeights& weights, size_t rows) = nullptr;
};

// Softmax(Q K^T / sqrt(head_size)) V per sequence and head over bf16 rows that hold their biases already. The
// softmax is in fp32.
struct AttentionBf16Args {
  // q [query rows], k and v [tokens], heads * head_size values each; strides in values. Rows start at a
  // multiple of head_size values from a 64-byte line, not always on one.
  const uint16_t *q, *k, *v;
  size_t q_stride, kv_stride;
  // As in AttentionArgs.
  const int32_t* offsets;
  size_t sequences;
  bool one_query;
  size_t heads, head_size;  // head_size: a multiple of 8, at most 128
  uint8_t* out;       // [query rows] encoded in out_format, RowStride(out_format, heads * head_size) apart
  Format out_format;  // kBf16 or kInt8
  float* workspace;   // 64-byte aligned, workspace_floats(...)
};

struct AttentionBf16Kernel {
  const char* name = nullptr;
  void (*run)(const AttentionBf16Args& args) = nullptr;
  size_t (*workspace_floats)(size_t longest_sequence, size_t heads, size_t head_size,
                             Format out_format) = nullptr;
};

}  // namespace crossrank::kernels
