// The answer, or a part of it, as a page of its own.
import { complete } from "./answer.js";

complete(document);
