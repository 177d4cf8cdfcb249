# SPDX-License-Identifier: MIT
# The stages of `make test` as one ctest run. tools/test.sh copies this to build-test/CTestTestfile.cmake and
# sets ROOT. COST orders the stages (cheapest first); fixtures keep a tree from
# being tested that did not build. A failed check stops nothing else: one run tells everything that is wrong.
set(cost 100000)
function(stage name label)
  add_test(${name} ${ARGN})
  math(EXPR next "${cost} - 100")
  set(cost ${next} PARENT_SCOPE)
  set_tests_properties(${name} PROPERTIES COST ${next} LABELS ${label} WORKING_DIRECTORY ${ROOT} TIMEOUT 1800)
endfunction()

stage(format check tools/check_format.sh)
stage(layers check tools/check_layers.py)
stage(docs check tools/check_api_docs.py)
stage(headers check tools/check_headers.sh)
stage(prose check tools/check_prose.sh)
stage(checks check tests/tools/test_checks.py)

foreach(tree dev clang asan tsan fuzz)
  stage(build-${tree} build cmake --build build-${tree})
  set_tests_properties(build-${tree} PROPERTIES FIXTURES_SETUP built-${tree} PROCESSORS 2)
endforeach()
stage(build-release build cmake --build build)
set_tests_properties(build-release PROPERTIES FIXTURES_SETUP built-release PROCESSORS 2)

stage(symbols lint tools/check_symbols.py build-dev)
set_tests_properties(symbols PROPERTIES FIXTURES_REQUIRED built-dev)
stage(cppcheck lint tools/check_cppcheck.sh build-test/cppcheck)
stage(tidy lint tools/check_tidy.py build-clang)
set_tests_properties(cppcheck tidy PROPERTIES FIXTURES_REQUIRED built-clang PROCESSORS 2)

file(GLOB engine ${ROOT}/src/db/*.c)
if(engine)
  stage(install install tools/check_install.sh build)
  set_tests_properties(install PROPERTIES FIXTURES_REQUIRED built-release)
endif()

stage(web web tools/check_web.sh)
set_tests_properties(web PROPERTIES PROCESSORS 2)
stage(browser web tools/check_page.sh)
set_tests_properties(browser PROPERTIES DEPENDS web FIXTURES_REQUIRED built-release PROCESSORS 2)

if(EXISTS ${ROOT}/bench/run)
  stage(bench bench bench/run --quick --dir build-test/bench --out build-test/bench.jsonl)
  set_tests_properties(bench PROPERTIES FIXTURES_REQUIRED built-release RUN_SERIAL ON COST 0.001)
endif()

subdirs(${ROOT}/build-dev ${ROOT}/build-asan ${ROOT}/build-tsan ${ROOT}/build-fuzz)
