#include "tables.h"
// The vector type comes first: the driver is written over it.
#include "linear_amx.h"
//
#include "linear_driver.h"

namespace crossrank::kernels {

const LinearKernel kLinearInt8Amx = {"amx-int8", RunLinear<Int8AmxTile>, LinearWorkspaceFloats<Int8AmxTile>};
const LinearKernel kLinearBf16Amx = {"amx-bf16", RunLinear<Bf16AmxTile>, LinearWorkspaceFloats<Bf16AmxTile>};
const LinearKernel kLinearBf16x3Amx = {"amx-bf16x3", RunLinear<Bf16x3AmxTile>,
                                       LinearWorkspaceFloats<Bf16x3AmxTile>};

}  // namespace crossrank::kernels
