import { start } from "./App";
import { ExplorerPage } from "./pages/ExplorerPage";

start("explorer", ExplorerPage);
