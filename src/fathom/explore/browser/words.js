// Words for what the data name.

/** @type {Record<string, string>} */
const KEY_TITLES = {
  name: "Name",
  model: "Model",
  texts: "Texts",
  sinks: "Sink tokens",
  label: "Label",
  site: "Site in a block",
  position: "Position in the text",
  preparation: "Preparation of the states",
  variant: "Variant",
  normalisation: "Divided by",
  estimator: "Estimator",
  selection: "Penalty",
  measure: "Measure",
  control: "Controls",
  test_corpus: "Tested on",
  distance: "Distance",
};

/** @type {Record<string, string>} */
const NAME_TITLES = { curves: "Metric", matrices: "Metric", probes: "Experiment", tasks: "Task" };

/** @type {Record<string, string>} */
const VALUE_WORDS = {
  "sinks=with": "with sink tokens",
  "sinks=without": "without sink tokens",
  "selection=fixed": "fixed",
  "selection=inner": "chosen by inner folds",
  "preparation=none": "raw states",
  "preparation=rows": "unit rows",
  "preparation=centred": "centred, then unit rows",
  "preparation=as_published": "as published",
  "normalisation=max": "log min(rows, width)",
  "normalisation=logN": "log rows",
  "normalisation=logD": "log width",
  "measure=balanced_accuracy": "balanced accuracy",
  "measure=auc": "AUC",
  "measure=r2": "R²",
  "estimator=svm": "linear SVM",
  "estimator=ridge": "ridge regression",
  "estimator=logistic": "logistic regression",
  "test_corpus=": "its own texts",
};

/** @param {Data} data */
function speaker(data) {
  const titles = new Map(data.packed.words.map((about) => [`${about.stage}/${about.name}`, about]));
  const models = new Map(data.packed.models.map((model) => [model.name, model.title]));
  return {
    /** What there is to say of a curve's metric, experiment or task. @param {Key} key @returns {About} */
    about: (key) =>
      titles.get(`${key.stage}/${key.name}`) || {
        stage: key.stage,
        name: key.name,
        title: key.name,
        axis: "",
        gist: "",
        sentences: [],
        opens: false,
        main: {},
      },
    /** A value of a key in words. @param {string} key @param {string} value @param {string} [stage] */
    value: (key, value, stage = "") => {
      if (key === "model") return models.get(value) || value;
      if (key === "name") return titles.get(`${stage}/${value}`)?.title || value;
      return VALUE_WORDS[`${key}=${value}`] || value.replaceAll("_", " ") || "none";
    },
    /** @param {string} name */
    model: (name) => models.get(name) || name,
  };
}

/** @typedef {ReturnType<typeof speaker>} Speaker */
