// What DPF wants to know of the plug-in at compile time. SPDX-License-Identifier: Apache-2.0
#pragma once

#define DISTRHO_PLUGIN_BRAND "MusicGen Studio"
#define DISTRHO_PLUGIN_NAME "MusicGen Studio Takes"
#define DISTRHO_PLUGIN_URI "urn:musicgen-studio:takes"
#define DISTRHO_PLUGIN_CLAP_ID "studio.musicgen.takes"

#ifdef HAVE_DGL  // what draws windows is there: see CMakeLists.txt
#define DISTRHO_PLUGIN_HAS_UI 1
#define DISTRHO_PLUGIN_WANT_DIRECT_ACCESS 1
#define DISTRHO_UI_USE_NANOVG 1
#define DISTRHO_UI_USER_RESIZABLE 0
#define DISTRHO_UI_DEFAULT_WIDTH 560
#define DISTRHO_UI_DEFAULT_HEIGHT 420
#else
#define DISTRHO_PLUGIN_HAS_UI 0
#endif
#define DISTRHO_PLUGIN_IS_RT_SAFE 1
#define DISTRHO_PLUGIN_IS_SYNTH 1
#define DISTRHO_PLUGIN_NUM_INPUTS 0
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#define DISTRHO_PLUGIN_WANT_MIDI_INPUT 1
#define DISTRHO_PLUGIN_WANT_TIMEPOS 1
#define DISTRHO_PLUGIN_WANT_STATE 1
#define DISTRHO_PLUGIN_WANT_FULL_STATE 1  // the state changes by itself, when a take has come

#define DISTRHO_PLUGIN_LV2_CATEGORY "lv2:InstrumentPlugin"
#define DISTRHO_PLUGIN_VST3_CATEGORIES "Instrument|Sampler|Stereo"
#define DISTRHO_PLUGIN_CLAP_FEATURES "instrument", "sampler", "stereo"
