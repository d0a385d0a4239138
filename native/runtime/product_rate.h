// How fast this machine multiplies matrices of an encoder's shapes and does nothing else: what a whole
// encoder is measured against.
#pragma once

#include "model/precision.h"
#include "runtime/library.h"

namespace crossrank {

struct ProductPlan {
  size_t hidden_size, intermediate_size;
  size_t rows;     // tokens of a chunk
  size_t threads;  // each multiplies its own rows by the same weights
  double seconds;
};

// Multiply-adds a second of all threads together: the matrices of a layer, one after the other, over and
// over. `precision` is any but kAuto.
double MeasureProducts(const Library& library, const kernels::KernelTable& kernels, Precision precision,
                       const ProductPlan& plan);

}  // namespace crossrank
