#include "pack_linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>

// Weights are encoded as rows of activations are, which gives the same rounding and the same k-steps; packing
// then only moves 32-bit words. 302 M weights (XLM-R large) take TODO on one core of a Zen 5.
#include "simd_generic.h"
//
#include "encode.h"

namespace crossrank::kernels {
namespace {

constexpr size_t kTileBytes = 1024;  // 16 outputs of a k-step
constexpr std::align_val_t kAlignment{kLineBytes};

struct Deleter {
  void operator()(uint8_t* data) const { ::operator delete(data, kAlignment); }
};

// Bias, scales or compensation.
size_t VectorBytes(size_t outputs) { return Panels(outputs) * kPanelOutputs * sizeof(float); }

size_t PackedBytes(Format format, size_t outputs, size_t inputs) {
  const size_t vectors = format == Format::kInt8 ? 3 : 1;
  return Panels(outputs) * PanelBytes(format, inputs) + vectors * VectorBytes(outputs);
}

}  // namespace

PackedLinear::PackedLinear(Format format, size_t outputs, size_t inputs)
    : bytes_(PackedBytes(format, outputs, inputs)), memory_(bytes_) {
  const size_t bias_at = Panels(outputs) * PanelBytes(format, inputs);
  const size_t scales_at = bias_at + VectorBytes(outputs);
  const bool int8 = format == Format::kInt8;
  view_ = {format,
           outputs,
           inputs,
           At(0),
           reinterpret_cast<float*>(At(bias_at)),
           int8 ? reinterpret_cast<float*>(At(scales_at)) : nullptr,
           int8 ? reinterpret_cast<int32_t*>(At(scales_at + VectorBytes(outputs))) : nullptr};
}

bool PackedLinear::SetRows(size_t first, size_t count, const float* rows, const float* bias) {
  const size_t row_bytes = RowStride(view_.format, view_.inputs);
  const std::unique_ptr<uint8_t, Deleter> encoded(
      static_cast<uint8_t*>(::operator new(row_bytes, kAlignment)));
  float* biases = const_cast<float*>(view_.bias) + first;
  for (size_t i = 0; i < count; ++i) {
    const float* row = rows + i * view_.inputs;
    const float largest = LargestMagnitude(row, view_.inputs);
    if (!std::isfinite(largest) || (bias != nullptr && !std::isfinite(bias[i]))) return false;
    if (view_.format == Format::kInt8) {
      EncodeRowInt8(row, view_.inputs, largest, encoded.get());
    } else {
      EncodeRow(row, view_.inputs, view_.format, encoded.get());
    }
    SetRow(first + i, encoded.get());
    biases[i] = bias != nullptr ? bias[i] : 0.0f;
  }
  return true;
}

void PackedLinear::SetRow(size_t output, const uint8_t* encoded) {
  const size_t steps = Steps(view_.format, view_.inputs), step_bytes = StepPanelBytes(view_.format);
  const bool int8 = view_.format == Format::kInt8;
  const uint32_t sign = int8 ? 0x80808080u : 0u;  // bytes that are 128 too much become signed ones
  const size_t lane = output % kPanelOutputs;
  uint8_t* to = At(output / kPanelOutputs * PanelBytes(view_.format, view_.inputs)) + lane / 16 * kTileBytes +
                lane % 16 * sizeof(uint32_t);
  const uint8_t* from = encoded;
  for (size_t step = 0; step < steps; ++step, to += step_bytes) {
    // The low halves of kBf16x3 are another 64 bytes of the row, and tiles of their own.
    for (size_t half = 0; half < StepRowBytes(view_.format) / kLineBytes; ++half, from += kLineBytes) {
      uint8_t* tile = to + half * 2 * kTileBytes;
      for (size_t p = 0; p < 16; ++p) {
        uint32_t word;
        std::memcpy(&word, from + 4 * p, sizeof word);
        word ^= sign;
        std::memcpy(tile + kLineBytes * p, &word, sizeof word);
      }
    }
  }
  if (!int8) return;
  int32_t sum = 0;
  const size_t bytes = ScaleOffset(view_.inputs);
  for (size_t i = 0; i < bytes; ++i) sum += encoded[i];
  std::memcpy(const_cast<float*>(view_.scales) + output, encoded + bytes, sizeof(float));
  const_cast<int32_t*>(view_.compensation)[output] = -128 * (sum - 128 * static_cast<int32_t>(bytes));
}

}  // namespace crossrank::kernels
