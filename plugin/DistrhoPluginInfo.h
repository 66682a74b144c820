// What DPF wants to know of the plug-in at compile time. SPDX-License-Identifier: Apache-2.0
#pragma once

#define DISTRHO_PLUGIN_BRAND "MusicGen Studio"
#define DISTRHO_PLUGIN_NAME "MusicGen Studio Takes"
#define DISTRHO_PLUGIN_URI "urn:musicgen-studio:takes"
#define DISTRHO_PLUGIN_CLAP_ID "studio.musicgen.takes"

#define DISTRHO_PLUGIN_HAS_UI 0
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
