"use strict";
/**
 * What the page is made of. Types only: nothing here runs.
 *
 * @typedef {{words: string[], rows: number[]}} Words one word a row, each word written once
 * @typedef {{words?: string[], runs: number[]}} Runs a value (or the number of a word), how often, the next one ...
 * @typedef {(number | null)[]} Numbers
 * @typedef {{
 *   stage: string, name: string, title: string, axis: string, gist: string, sentences: string[], opens: boolean,
 *   main: Record<string, string>
 * }} About what there is to say of a metric, an experiment or a task
 * @typedef {{
 *   name: string, title: string, shows: string[], caption: string, claim: string, verdicts: string[], notes: string[],
 *   judged: boolean
 * }} Figure a static figure
 * @typedef {{
 *   path: string, ended: string, seconds: number, code: string, revision: string, machine: number, packages: number,
 *   seeds: number[], from: number[], files: string[]
 * }} Job
 * @typedef {{
 *   model: string, corpus: string, text: string, tokens: string[], sinks: number[], layers: number, norm: string,
 *   attention: string
 * }} TokenText
 * @typedef {{
 *   version: string, level: number, layers: string, words: About[], figures: Figure[], left_out: string[],
 *   models: {name: string, title: string, origin: string}[], corpora: {name: string, about: string}[],
 *   records: Record<string, string>, tokens: TokenText[],
 *   provenance: {jobs: Job[], machines: Record<string, unknown>[], packages: Record<string, string>[]},
 *   curves: Record<string, Words | Numbers | null>, points: Record<string, Words | Runs | Numbers | null>
 * }} Packed the document as it was written
 *
 * @typedef {{[name: string]: string} & {stage: string, name: string, model: string, corpus: string, view: string, texts: string,
 *   label: string, control: string, choice: string, sinks: string}} Key what a curve is of
 * @typedef {{
 *   id: number, key: Key, start: number, count: number, depth: number, decimals: number, peak: number | null,
 *   peakLow: number | null, peakHigh: number | null, pairs: boolean, mirrored: boolean, section: string
 * }} Curve
 * @typedef {{
 *   layer: Numbers, other: Numbers | null, value: Float64Array, low: Float64Array, high: Float64Array,
 *   chance: string[], p: string[], reason: string[], texts: Numbers | null, groups: Numbers | null,
 *   leftOut: Numbers | null
 * }} Points
 * @typedef {{packed: Packed, curves: Curve[], points: Points}} Data
 *
 * @typedef {{section: string, chosen: Map<string, string[]>}} State
 * @typedef {{
 *   key: string, title: string, values: string[], several: boolean, chosen: string[], main: boolean,
 *   said: (value: string) => string
 * }} Choice
 * @typedef {{curve: Curve, label: string, colour: number, dashed: boolean, thin: boolean, model: string}} Series
 * @typedef {{title: string, note: string, series: Series[], about: About}} PanelContent
 * @typedef {{left: number, right: number, top: number, bottom: number, width: number, height: number}} Frame
 * @typedef {{from: number, to: number, at: (value: number) => number, ticks: number[]}} Scale
 */
