# How a plug-in format is built on DPF, and what of DPF 1.6 is put right for it. SPDX-License-Identifier: Apache-2.0

# A copy of DPF's own sources, with these faults of 1.6 mended; a later DPF that has mended them is left as it is.
#  - VST3: the last MIDI controller's number was one too high, so that the first parameter always read 0.
#  - VST3: a bar's quarter notes were cut to a whole number: 7/8 ran wrong, and 1/8 or 3/16 divided by zero.
#  - VST3: a host's press on a button was not passed on, and it stayed pressed in the host's eyes.
#  - VST3: of two hosts in one process, the first that let go took the plug-in away from the other.
#  - VST3: a host that said twice that the plug-in is to be active was complained about.
#  - VST3: a state that the host took in pieces was written from its start each time.
#  - CLAP: a host's transport event within a block was taken for MIDI, and complained about on the audio thread.
set(DPF_MENDED "${CMAKE_BINARY_DIR}/dpf")
file(COPY "${DPF_DIR}/distrho" "${DPF_DIR}/dgl" "${DPF_DIR}/utils" DESTINATION "${DPF_MENDED}")

function(_mend FILE FROM TO)
  file(READ "${DPF_MENDED}/distrho/src/${FILE}" text)
  string(REPLACE "${FROM}" "${TO}" text "${text}")
  file(WRITE "${DPF_MENDED}/distrho/src/${FILE}" "${text}")
endfunction()

_mend(DistrhoPluginVST3.cpp "rindex <= kVst3InternalParameterMidiCC_end)" "rindex < kVst3InternalParameterCount)")
_mend(DistrhoPluginVST3.cpp
  "const int    ppqPerBar = ctx->time_sig_numerator * 4 / ctx->time_sig_denom"
  "const double ppqPerBar = ctx->time_sig_numerator * 4.0 / ctx->time_sig_denom")
_mend(DistrhoPluginVST3.cpp "static_cast<int32_t>(ppqPos) / ppqPerBar + 1" "static_cast<int32_t>(ppqPos / ppqPerBar) + 1")
_mend(DistrhoPluginVST3.cpp
  "if (!fPlugin.isParameterOutputOrTrigger(index))\n            fPlugin.setParameterValue"
  "if (!fPlugin.isParameterOutput(index))\n            fPlugin.setParameterValue")
_mend(DistrhoPluginVST3.cpp
  "if (d_isEqual(curValue, fPlugin.getParameterDefault(i)))"
  "if (d_isEqual(curValue, fCachedParameterValues[kVst3InternalParameterBaseCount + i]))")
_mend(DistrhoPluginVST3.cpp
  "if (active)\n            fPlugin.activate();\n        else"
  "if (active && fPlugin.isActive())\n            return V3_OK;\n        else if (active)\n            fPlugin.activate();\n        else")
_mend(DistrhoPluginVST3.cpp "    DISTRHO_NAMESPACE::sPlugin = nullptr;\n" "")
_mend(DistrhoPluginVST3.cpp "write(stream, const_cast<char*>(buffer), size" "write(stream, const_cast<char*>(buffer) + wrtntotal, size")
_mend(DistrhoPluginCLAP.cpp "case CLAP_EVENT_TRANSPORT:\n" "case CLAP_EVENT_TRANSPORT:\n                        break;\n")

# takes_plugin(FORMAT): one of vst3, clap, lv2.
function(takes_plugin FORMAT)
  string(TOUPPER ${FORMAT} upper)
  set(target takes-${FORMAT})
  add_library(${target} MODULE src/plugin.cpp "${DPF_MENDED}/distrho/DistrhoPluginMain.cpp")
  target_include_directories(${target} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_include_directories(${target} SYSTEM PRIVATE "${DPF_MENDED}/distrho")
  target_compile_definitions(${target} PRIVATE DISTRHO_PLUGIN_TARGET_${upper})
  target_link_libraries(${target} PRIVATE takes-core ${CMAKE_DL_LIBS})
  if(TARGET takes-window)
    target_sources(${target} PRIVATE src/window.cpp "${DPF_MENDED}/distrho/DistrhoUIMain.cpp")
    target_link_libraries(${target} PRIVATE takes-window)
    if(APPLE)
      target_sources(${target} PRIVATE "${DPF_MENDED}/distrho/DistrhoUI_macOS.mm")
    endif()
  endif()
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME MusicGenStudio)
  _export_only(${target} ${FORMAT})
  if(MINGW)
    target_compile_options(${target} PRIVATE -mstackrealign)
    target_link_options(${target} PRIVATE -static)
  endif()
  cmake_language(CALL _place_${FORMAT} ${target})
endfunction()

function(_export_only TARGET FORMAT)
  set(symbols "${DPF_MENDED}/utils/symbols/${FORMAT}")
  if(FORMAT STREQUAL "lv2")
    if(NOT TARGET takes-window)
      set(symbols "${DPF_MENDED}/utils/symbols/lv2-dsp")
    endif()
  endif()
  if(WIN32)
    target_sources(${TARGET} PRIVATE "${symbols}.def")
  elseif(APPLE)
    target_link_options(${TARGET} PRIVATE "LINKER:-exported_symbols_list,${symbols}.exp")
  else()
    target_link_options(${TARGET} PRIVATE "LINKER:--version-script=${symbols}.version" "LINKER:--no-undefined")
  endif()
endfunction()

function(_place TARGET FOLDER SUFFIX)
  # The generator expression keeps Visual Studio from adding a folder for the configuration.
  set_target_properties(${TARGET} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin/${FOLDER}/$<0:>" SUFFIX "${SUFFIX}")
endfunction()

# A bundle: its place is laid down by Steinberg's documentation of the VST3 bundle format.
function(_place_vst3 TARGET)
  if(APPLE)
    _bundle(${TARGET} vst3)
  elseif(WIN32)
    _place(${TARGET} MusicGenStudio.vst3/Contents/x86_64-win .vst3)
  else()
    set(processor ${CMAKE_SYSTEM_PROCESSOR})
    string(REPLACE amd64 x86_64 processor ${processor})
    _place(${TARGET} MusicGenStudio.vst3/Contents/${processor}-linux .so)
  endif()
endfunction()

function(_place_clap TARGET)
  if(APPLE)
    _bundle(${TARGET} clap)
  else()
    _place(${TARGET} . .clap)
  endif()
endfunction()

function(_bundle TARGET SUFFIX)
  _place(${TARGET} MusicGenStudio.${SUFFIX}/Contents/MacOS "")
  set(INFO_PLIST_PROJECT_NAME MusicGenStudio)
  set(contents "${CMAKE_BINARY_DIR}/bin/MusicGenStudio.${SUFFIX}/Contents")
  configure_file("${DPF_DIR}/utils/plugin.bundle/Contents/Info.plist" "${contents}/Info.plist" @ONLY)
  file(COPY "${DPF_DIR}/utils/plugin.bundle/Contents/PkgInfo" DESTINATION "${contents}")
endfunction()

# LV2 says what it is in Turtle files, which DPF's generator writes by loading the plug-in: not when compiling for another system.
function(_place_lv2 TARGET)
  _place(${TARGET} MusicGenStudio.lv2 "${CMAKE_SHARED_LIBRARY_SUFFIX}")
  if(CMAKE_CROSSCOMPILING)
    message(STATUS "LV2: its Turtle files are written on the system it is for; run lv2_ttl_generator there")
    return()
  endif()
  add_executable(lv2_ttl_generator "${DPF_MENDED}/utils/lv2-ttl-generator/lv2_ttl_generator.c")
  target_link_libraries(lv2_ttl_generator PRIVATE ${CMAKE_DL_LIBS})
  add_custom_command(TARGET ${TARGET} POST_BUILD
    COMMAND "$<TARGET_FILE:lv2_ttl_generator>" "$<TARGET_FILE:${TARGET}>"
    WORKING_DIRECTORY "${CMAKE_BINARY_DIR}/bin/MusicGenStudio.lv2")
  add_dependencies(${TARGET} lv2_ttl_generator)
endfunction()
