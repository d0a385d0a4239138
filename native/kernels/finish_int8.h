// The epilogue of a Linear for int8 products that were computed elsewhere.
#pragma once

#include "linear_epilogue.h"

namespace crossrank::kernels {
namespace {

void FinishInt8(const LinearArgs& args, const int32_t* products) {
  constexpr size_t kRows = kFinishRows;
  const size_t outputs = args.weights.outputs;
  alignas(64) int32_t tile[kRows * kPanelOutputs] = {};
  Epilogue epilogue(args, false);
  for (size_t first = 0; first < args.rows; first += kRows) {
    const size_t rows = args.rows - first < kRows ? args.rows - first : kRows;
    epilogue.StartBlock(first);
    for (size_t column = 0; column < outputs; column += kPanelOutputs) {
      const size_t columns = outputs - column < kPanelOutputs ? outputs - column : kPanelOutputs;
      for (size_t r = 0; r < rows; ++r) {
        memcpy(tile + r * kPanelOutputs, products + (first + r) * outputs + column,
               columns * sizeof(int32_t));
      }
      epilogue.FinishTile(tile, first, rows, column);
    }
    epilogue.FinishRows(rows);
  }
}

}  // namespace
}  // namespace crossrank::kernels
