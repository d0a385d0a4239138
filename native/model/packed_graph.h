// An Architecture and its weights as an ONNX graph over packed sequences.
//
// Inputs    input_ids, position_ids, type_ids  int32 [tokens]      the tokens of all sequences, end to end
//           offsets                            int32 [sequences + 1]
// Output    logits                             float [sequences, labels]; of an embedder, the embeddings
#pragma once

#include "model/graph_writer.h"
#include "model/model_spec.h"
#include "model/precision.h"
#include "model/weight_reader.h"

namespace crossrank {

// Whether attention runs in fp32 beside reduced products: bf16x3 is as exact as fp32, and the bf16 kernels
// know head sizes that are a multiple of 8 up to 128.
bool AttendsInFp32(const ModelSpec& spec, Precision precision);

// `precision` is any but kAuto.
GraphProgram BuildPackedGraph(const Architecture& architecture, WeightReader& weights, Precision precision,
                              const kernels::KernelTable& kernels);

}  // namespace crossrank
