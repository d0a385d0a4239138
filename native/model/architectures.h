// One function an architecture family: config.json in, Architecture out. A new family is a new file and a
// line in DescribeModel.
#pragma once

#include <string>

#include "model/model_spec.h"

namespace crossrank {

Architecture DescribeBertFamily(const JsonView& config, const std::string& model_type);
Architecture DescribeDistilBert(const JsonView& config);

}  // namespace crossrank
