// An Architecture and its weights as an ONNX graph over packed sequences.
//
// Inputs    input_ids, position_ids, type_ids  int32 [tokens]      the tokens of all sequences, end to end
//           offsets                            int32 [sequences + 1]
// Output    logits                             float [sequences, labels]
#pragma once

#include "model/graph_writer.h"
#include "model/model_spec.h"
#include "model/weight_reader.h"

namespace crossrank {

GraphProgram BuildPackedGraph(const Architecture& architecture, WeightReader& weights);

}  // namespace crossrank
