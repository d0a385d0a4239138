// In which arithmetic a model's matrix products run.
#pragma once

#include <string>

#include "kernels/kernels.h"

namespace crossrank {

enum class Precision { kAuto, kFp32, kBf16x3, kBf16, kInt8 };

const char* PrecisionName(Precision precision);
Precision ParsePrecision(const std::string& name);  // throws kInvalidArgument

// The level's kernels; an empty name is the environment's CROSSRANK_CPU, or the fastest. Throws
// kInvalidArgument for a level that this CPU lacks.
const kernels::KernelTable& KernelsOfLevel(const std::string& level);

// What the CPU has and the operating system does not let this process use, and why; empty where there is
// nothing.
std::string RefusedFeatures();

// What kAuto means: bf16 where the kernels have AMX, or where this CPU multiplies bf16 much faster than fp32;
// else fp32. Throws kPrecision for a precision that the kernels lack; int8 is never lacking, for ONNX Runtime
// has it.
Precision ResolvePrecision(Precision asked, const kernels::KernelTable& kernels);

// Whether matrix products run in kernels of ours. fp32 leaves them to ONNX Runtime where the table has none.
bool HasOwnProducts(Precision precision, const kernels::KernelTable& kernels);

// Of the rows that our own products read.
kernels::Format FormatOf(Precision precision);

}  // namespace crossrank
