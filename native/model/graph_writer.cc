#include "model/graph_writer.h"

#include <cstring>
#include <filesystem>

namespace crossrank {
namespace {

// Protobuf wire format: https://protobuf.dev/programming-guides/encoding/
void PutVarint(std::string& out, uint64_t value) {
  while (value > 127) {
    out.push_back(static_cast<char>(value | 128));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void PutInteger(std::string& out, int field, int64_t value) {
  PutVarint(out, static_cast<uint64_t>(field) << 3);
  PutVarint(out, static_cast<uint64_t>(value));
}

void PutFloat(std::string& out, int field, float value) {
  PutVarint(out, static_cast<uint64_t>(field) << 3 | 5);
  char bytes[4];
  std::memcpy(bytes, &value, 4);
  out.append(bytes, 4);
}

void PutBytes(std::string& out, int field, const std::string& value) {
  PutVarint(out, static_cast<uint64_t>(field) << 3 | 2);
  PutVarint(out, value.size());
  out += value;
}

// Field numbers of onnx.proto3.
namespace model_proto {
constexpr int kIrVersion = 1, kGraph = 7, kOpsetImport = 8;
}
namespace opset_proto {
constexpr int kDomain = 1, kVersion = 2;
}
namespace graph_proto {
constexpr int kNode = 1, kName = 2, kInitializer = 5, kInput = 11, kOutput = 12;
}
namespace node_proto {
constexpr int kInput = 1, kOutput = 2, kName = 3, kOpType = 4, kAttribute = 5, kDomain = 7;
}
namespace attribute_proto {
constexpr int kName = 1, kFloat = 2, kInt = 3, kType = 20;
constexpr int kTypeFloat = 1, kTypeInt = 2;
}  // namespace attribute_proto
namespace tensor_proto {
constexpr int kDims = 1, kDataType = 2, kName = 8, kExternalData = 13, kDataLocation = 14;
constexpr int kExternal = 1;
}  // namespace tensor_proto
namespace entry_proto {
constexpr int kKey = 1, kValue = 2;
}

constexpr int64_t kIrVersion = 8;

std::string ValueInfo(const std::string& name, ElementType type, const std::vector<GraphWriter::Dim>& shape) {
  std::string dims;
  for (const auto& dim : shape) {
    std::string one;
    if (dim.name.empty()) {
      PutInteger(one, 1, dim.size);  // dim_value
    } else {
      PutBytes(one, 2, dim.name);  // dim_param
    }
    PutBytes(dims, 1, one);
  }
  std::string tensor;
  PutInteger(tensor, 1, static_cast<int64_t>(type));  // elem_type
  PutBytes(tensor, 2, dims);                          // shape
  std::string type_proto;
  PutBytes(type_proto, 1, tensor);  // tensor_type
  std::string info;
  PutBytes(info, 1, name);
  PutBytes(info, 2, type_proto);
  return info;
}

}  // namespace

size_t ElementBytes(ElementType type) {
  switch (type) {
    case ElementType::kFloat:
    case ElementType::kInt32:
      return 4;
    case ElementType::kInt64:
      return 8;
    case ElementType::kFloat16:
    case ElementType::kBfloat16:
      return 2;
    default:
      return 1;
  }
}

GraphWriter::GraphWriter(const std::string& weight_file) {
  const std::filesystem::path path = std::filesystem::u8path(weight_file);
  weight_folder_ = path.parent_path().u8string();
  weight_file_ = path.filename().u8string();
}

void GraphWriter::AddInput(const std::string& name, ElementType type, const std::vector<Dim>& shape) {
  PutBytes(graph_, graph_proto::kInput, ValueInfo(name, type, shape));
}

void GraphWriter::AddOutput(const std::string& name, ElementType type, const std::vector<Dim>& shape) {
  PutBytes(graph_, graph_proto::kOutput, ValueInfo(name, type, shape));
}

std::string GraphWriter::AddInitializer(Initializer initializer) {
  std::string tensor;
  for (int64_t dim : initializer.shape) PutInteger(tensor, tensor_proto::kDims, dim);
  PutInteger(tensor, tensor_proto::kDataType, static_cast<int64_t>(initializer.type));
  PutBytes(tensor, tensor_proto::kName, initializer.name);
  std::string entry;
  PutBytes(entry, entry_proto::kKey, "location");
  PutBytes(entry, entry_proto::kValue, weight_file_);
  PutBytes(tensor, tensor_proto::kExternalData, entry);
  PutInteger(tensor, tensor_proto::kDataLocation, tensor_proto::kExternal);
  PutBytes(graph_, graph_proto::kInitializer, tensor);
  initializers_.push_back(std::move(initializer));
  return initializers_.back().name;
}

void GraphWriter::AddNode(const char* domain, const char* op, const std::string& name,
                          const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                          const std::vector<Attribute>& attributes) {
  std::string node;
  for (const std::string& input : inputs) PutBytes(node, node_proto::kInput, input);
  for (const std::string& output : outputs) PutBytes(node, node_proto::kOutput, output);
  PutBytes(node, node_proto::kName, name);
  PutBytes(node, node_proto::kOpType, op);
  for (const Attribute& attribute : attributes) {
    std::string proto;
    PutBytes(proto, attribute_proto::kName, attribute.name);
    if (attribute.is_float) {
      PutFloat(proto, attribute_proto::kFloat, attribute.real);
      PutInteger(proto, attribute_proto::kType, attribute_proto::kTypeFloat);
    } else {
      PutInteger(proto, attribute_proto::kInt, attribute.integer);
      PutInteger(proto, attribute_proto::kType, attribute_proto::kTypeInt);
    }
    PutBytes(node, node_proto::kAttribute, proto);
  }
  PutBytes(node, node_proto::kDomain, domain);
  PutBytes(graph_, graph_proto::kNode, node);
}

GraphProgram GraphWriter::Finish(const std::vector<std::pair<std::string, int64_t>>& opsets) && {
  GraphProgram program;
  PutInteger(program.model, model_proto::kIrVersion, kIrVersion);
  for (const auto& [domain, version] : opsets) {
    std::string opset;
    PutBytes(opset, opset_proto::kDomain, domain);
    PutInteger(opset, opset_proto::kVersion, version);
    PutBytes(program.model, model_proto::kOpsetImport, opset);
  }
  PutBytes(graph_, graph_proto::kName, "crossrank");
  PutBytes(program.model, model_proto::kGraph, graph_);
  program.initializers = std::move(initializers_);
  program.weight_folder = std::move(weight_folder_);
  return program;
}

}  // namespace crossrank
