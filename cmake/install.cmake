# SPDX-License-Identifier: MIT
# What `make install` puts where.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS sop_static sop_shared EXPORT sopTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY include/sop DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(TARGET sop_cli)
  install(TARGETS sop_cli)
endif()

# sop.pc is written at install time, so that `cmake --install --prefix` is honoured.
install(CODE "
  set(PROJECT_VERSION ${PROJECT_VERSION})
  set(SOP_PC_LIBDIR \"\\\${prefix}/${CMAKE_INSTALL_LIBDIR}\")
  set(SOP_PC_INCLUDEDIR \"\\\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}\")
  configure_file(${PROJECT_SOURCE_DIR}/cmake/sop.pc.in ${PROJECT_BINARY_DIR}/sop.pc @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/sop.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/sop)
install(EXPORT sopTargets NAMESPACE sop:: DESTINATION ${package})
configure_file(cmake/sopConfig.cmake.in sopConfig.cmake COPYONLY)
write_basic_package_version_file(sopConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sopConfig.cmake ${PROJECT_BINARY_DIR}/sopConfigVersion.cmake
  DESTINATION ${package})

foreach(section 1 3 5)
  file(GLOB pages CONFIGURE_DEPENDS docs/man/*.${section})
  install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
file(GLOB completion CONFIGURE_DEPENDS programs/cli/completion/sop.bash)
install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME sop)
