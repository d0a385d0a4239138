# node-gyp's door to the CMake build: npm and prebuildify know no other one.
{
  'targets': [{
    'target_name': 'crossrank_cmake',
    'type': 'none',
    'actions': [{
      'action_name': 'cmake',
      'message': 'building crossrank with CMake',
      'inputs': ['<!@(node scripts/gyp-cmake.cjs --list-sources)'],
      'outputs': ['<(PRODUCT_DIR)/crossrank.node'],
      'action': ['node', 'scripts/gyp-cmake.cjs', '<(PRODUCT_DIR)', '<(CONFIGURATION_NAME)', '<(target_arch)'],
    }],
  }],
}
