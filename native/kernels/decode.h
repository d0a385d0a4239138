// Encoded rows and packed weights, read one value at a time: plain code for diagnosis, conversion and tests.
#pragma once

#include <cstring>

#include "linear.h"

namespace crossrank::kernels {

inline float Bf16At(const uint8_t* bytes, size_t index) {
  uint16_t half;
  std::memcpy(&half, bytes + index * sizeof half, sizeof half);
  const uint32_t wide = static_cast<uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

// The values that a row stands for.
inline void DecodeRow(const uint8_t* row, size_t columns, Format format, float* values) {
  if (format == Format::kFp32) {
    std::memcpy(values, row, columns * sizeof(float));
    return;
  }
  if (format == Format::kInt8) {
    float scale;
    std::memcpy(&scale, row + ScaleOffset(columns), sizeof scale);
    for (size_t c = 0; c < columns; c++) values[c] = static_cast<float>(row[c] - 128) * scale;
    return;
  }
  for (size_t c = 0; c < columns; c++) {
    if (format == Format::kBf16) {
      values[c] = Bf16At(row, c);
    } else {
      const uint8_t* step = row + c / 32 * StepRowBytes(format);
      values[c] = Bf16At(step, c % 32) + Bf16At(step, 32 + c % 32);
    }
  }
}

// An int8 weight, as it is packed.
inline int8_t Int8WeightAt(const LinearWeights& weights, size_t output, size_t input) {
  const uint8_t* panel = weights.panels + output / kPanelOutputs * PanelBytes(Format::kInt8, weights.inputs);
  const size_t column = output % kPanelOutputs, step = input / 64, place = input % 64;
  return static_cast<int8_t>(
      panel[step * 2048 + column / 16 * 1024 + place / 4 * 64 + column % 16 * 4 + place % 4]);
}

}  // namespace crossrank::kernels
